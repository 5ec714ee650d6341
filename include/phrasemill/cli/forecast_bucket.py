"""What a corpus's bucket has measured, for `phrasemill forecast`: its calibration and its manifests."""

import boto3

from phrasemill.errors import StoreError
from phrasemill.forecast.calibration import read_calibration
from phrasemill.forecast.gathering import evidence_of
from phrasemill.forecast.question import Evidence
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket, client_from_environment
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.shard_index import committed_shards, read_index


def evidence_in_bucket(spec: CorpusSpec) -> Evidence:
    """What was measured of a corpus.

    Raises:
        FingerprintMismatch: committed work is of another version of the corpus file.
        StoreError: no keys are set, or the bucket cannot be read.
    """
    client = client_from_environment()
    if boto3.session.Session().get_credentials() is None:
        raise StoreError("no keys for the bucket are set; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    store = CorpusStore(Bucket(client, spec.storage.bucket), spec)
    shards = committed_shards(store, read_index(store)).values()
    return evidence_of(shards, read_calibration(store), spec=spec)
