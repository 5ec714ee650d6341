"""The bucket's part of preflight: everything that commits rest on, tried with one small object."""

import datetime as dt
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from phrasemill.errors import StoreError
from phrasemill.store.corpus_store import CorpusStore

LOOKS, LOOK_EVERY_S = 5, 0.5  # a store may take 2 s to show what was written
MAX_SKEW = dt.timedelta(minutes=5)
"""A third of the 15 minutes after which S3 refuses signed requests, so that a drifting clock is told in time."""


@dataclass(frozen=True, slots=True)
class BucketFound:
    """What a bucket that can be used is like."""

    name: str
    conditional_puts: bool
    """Whether If-None-Match: * is honoured."""
    checksums: bool
    """Whether an object whose Content-MD5 is wrong is refused."""
    skew_s: float | None
    """By how many seconds the server's clock is ahead of ours; None if it tells no time."""

    def __str__(self) -> str:
        puts = f"conditional puts are {'honoured' if self.conditional_puts else 'ignored'}"
        return puts if self.checksums else f"{puts}, checksums are ignored"

    @property
    def warnings(self) -> list[str]:
        """What is weaker than on Amazon's S3, and what stands in for it; empty on a sound bucket."""
        told = []
        if not self.conditional_puts:
            told.append(
                f"bucket {self.name} ignores conditional puts: two workers that commit one shard in the same instant "
                "are told apart by comparing only; let one run at a time write a shard (docs/guarantees.md)"
            )
        if not self.checksums:
            told.append(
                f"bucket {self.name} does not check Content-MD5: what the network spoils is found only when it is read "
                "back, before each commit (docs/guarantees.md)"
            )
        return told


def probe_bucket(store: CorpusStore) -> BucketFound:
    """Try the bucket with a small object that is removed again, whatever happens.

    In this order: reached, credentials, bucket, listing and clock; put; read after write; list after write; a second
    put that must not replace the first; a put with a wrong checksum; delete.

    Raises:
        StoreUnavailable: it does not answer now.
        StoreError: it refuses, or does not do what commits rest on; the message says which permission or setting to
            change.
    """
    bucket = store.bucket
    skew = _clock_skew(store)
    key = f"{store.keys.probes()}{secrets.token_hex(8)}"
    content = b"phrasemill preflight"
    with _removed(store, key):
        bucket.put(key, content)
        _await(lambda: bucket.get(key) == content, f"{store.url(key)}: does not read back what was just written")
        listed = f"{store.url(key)}: is not listed after it was written"
        _await(lambda: any(entry.key == key for entry in bucket.entries(key)), listed)
        return BucketFound(
            name=bucket.name,
            conditional_puts=not bucket.ignores_condition(key),
            checksums=not bucket.ignores_checksum(key),
            skew_s=skew,
        )


def _clock_skew(store: CorpusStore) -> float | None:
    asked = dt.datetime.now(dt.UTC)
    told = store.bucket.server_time()
    if told is None:
        return None
    took = dt.datetime.now(dt.UTC) - asked
    skew = told - (asked + took / 2)
    if abs(skew) > MAX_SKEW + took:
        raise StoreError(
            f"s3://{store.bucket.name}: the server's clock is {abs(skew).total_seconds():.0f} s "
            f"{'ahead of' if skew > dt.timedelta() else 'behind'} this machine's; set the wrong one (timedatectl), S3 "
            "refuses requests that are 15 minutes off"
        )
    return skew.total_seconds()


@contextmanager
def _removed(store: CorpusStore, key: str) -> Iterator[None]:
    """Remove the probe; where something failed before, that is told and not the removal."""
    try:
        yield
    except BaseException:
        with suppress(StoreError):  # verify finds what is left
            store.bucket.delete([key])
        raise
    store.bucket.delete([key])


def _await(holds: Callable[[], bool], what: str) -> None:
    for look in range(LOOKS):
        if look:
            time.sleep(LOOK_EVERY_S)
        if holds():
            return
    raise StoreError(
        f"{what}, {(LOOKS - 1) * LOOK_EVERY_S:.0f} s later; phrasemill needs a store with read-after-write and "
        "list-after-write consistency: turn off caches before it, or name another endpoint_url"
    )
