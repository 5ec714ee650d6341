"""The demo's bucket, as the demo itself sees it."""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from phrasemill.demo.keys import Keys
from phrasemill.demo.layout import REGION, Layout
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket, client_config
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.keys import BLOCK


def s3_client(layout: Layout, keys: Keys) -> Any:  # noqa: ANN401
    """A client of the demo's S3 server; what the shell says about AWS does not count."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=layout.url("s3"),
        region_name=REGION,
        aws_access_key_id=keys.s3_access_key,
        aws_secret_access_key=keys.s3_secret_key,
        aws_session_token=None,
        config=client_config().merge(Config(proxies={})),
    )


def make_bucket(client: Any, name: str) -> None:  # noqa: ANN401
    """Make the bucket unless it is there."""
    try:
        client.create_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
            raise


def accepted_phrases(store: CorpusStore) -> int:
    """Phrases that are safe in the bucket: committed shards and the staged blocks of the others."""
    committed = set(store.committed())
    root = f"{store.keys.root}/staging/"
    staged = 0
    for entry in store.bucket.entries(root):
        if BLOCK.search(entry.key) and int(entry.key.removeprefix(root).split("/")[0]) not in committed:
            staged += 1
    return len(committed) * store.spec.shard_phrases + staged * store.spec.block_phrases


def demo_store(client: Any, spec: CorpusSpec) -> CorpusStore:  # noqa: ANN401
    """The corpus's store on the demo's server."""
    return CorpusStore(Bucket(client, spec.storage.bucket), spec)
