"""The bucket's part of preflight: reachable, writable, reads its own writes, honours conditional puts."""

import secrets

from phrasemill.errors import StoreError
from phrasemill.store.corpus_store import CorpusStore


def probe_bucket(store: CorpusStore) -> bool:
    """Try the bucket with a small object that is removed again.

    Returns whether it honours If-None-Match; where it does not, commits compare before and after (see
    `phrasemill.store.commit`).

    Raises:
        StoreUnavailable: it does not answer now.
        StoreError: it refuses, or does not give back what was put; the message says what to change.
    """
    bucket = store.bucket
    key = f"{store.keys.root}/staging/probe-{secrets.token_hex(8)}"
    content = b"phrasemill preflight"
    next(bucket.entries(store.keys.manifests()), None)  # listing is a permission of its own
    bucket.put(key, content)
    try:
        if bucket.get(key) != content:
            raise StoreError(
                f"{store.url(key)}: does not read back what was just written; phrasemill needs a store with "
                "read-after-write consistency"
            )
        return not bucket.ignores_condition(key)
    finally:
        bucket.delete([key])
