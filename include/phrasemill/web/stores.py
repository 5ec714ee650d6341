"""The buckets of corpora as pages reach them: short time-outs, and a client kept while its connection is the same."""

import hashlib
import threading
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from phrasemill.corpus_file import corpus_files
from phrasemill.errors import StoreError
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket, client_config
from phrasemill.store.corpus_store import CorpusStore

# A task may wait for minutes, a reader may not: a request that is not answered takes 14 s here, not 350.
IMPATIENT = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})


class Stores:
    """Opens the buckets of corpora. Making a client takes a tenth of a second of CPU, asking for a connection less."""

    def __init__(self) -> None:
        self._clients: dict[str, tuple[str, Any]] = {}
        self._lock = threading.Lock()

    def open(self, spec: CorpusSpec) -> CorpusStore:
        """The store of a corpus, through the connection as it is now.

        Raises:
            StoreError: no client can be made from the connection.
        """
        name = spec.storage.connection
        version = _version_of(name)
        with self._lock:
            made_from, client = self._clients.get(name, ("", None))
        if made_from != version:
            client = _client(name)
            with self._lock:
                self._clients[name] = version, client
        return CorpusStore(Bucket(client, spec.storage.bucket), spec)


STORES = Stores()
"""Those of this process."""


def corpus_path(corpus: str) -> Path | None:
    """The file of a corpus by its name alone: what comes from a URL is never taken for a path."""
    return next((path for path in corpus_files() if path.stem == corpus), None)


def _version_of(connection: str) -> str:
    """A hash of a connection, which differs once it is changed; a constant for one that Airflow does not have."""
    try:
        uri = BaseHook.get_connection(connection).get_uri()
    except AirflowNotFoundException:  # boto3's own chain is asked then, as by tasks
        return "none"
    return hashlib.sha256(uri.encode()).hexdigest()


def _client(connection: str) -> Any:  # noqa: ANN401
    """An S3 client; what the connection sets in config_kwargs wins over our own settings, but for the time-outs."""
    try:
        hook = S3Hook(aws_conn_id=connection)
        config = client_config().merge(hook.config) if hook.config else client_config()
        return hook.get_client_type(config=config.merge(IMPATIENT))
    except (AirflowException, BotoCoreError, ClientError, ValueError) as error:
        raise StoreError(
            f"connection {connection!r} makes no S3 client ({error}); correct it under Admin, Connections"
        ) from error
