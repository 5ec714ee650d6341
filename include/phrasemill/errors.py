"""The error tree. Every message says what happened, where, and what to do next.

`retryable` tells Airflow and the CLI whether the same call may succeed later without anybody mending
anything.
"""


class PhrasemillError(Exception):
    """Anything phrasemill refuses or gives up on; shown to users as one line, never as a traceback."""

    retryable = False


class SpecError(PhrasemillError):
    """A corpus file is wrong; the message has a line for every mistake: file, field, value and fix."""


class FingerprintMismatch(PhrasemillError):
    """Stored work was made by another version of the corpus; the message names the fields that differ."""


class PlanError(PhrasemillError):
    """The shards asked for do not exist, or the date lies before the corpus's first night."""


class EngineRefused(PhrasemillError):
    """An engine answers, but no retry mends it: wrong key, wrong model, a path that is not there."""


class EnginesDown(PhrasemillError):
    """No engine has answered for longer than the outage budget."""

    retryable = True


class QuotaSpent(PhrasemillError):
    """The night's budget, or what the API allows for a day, is used up; what is staged is kept for a later night."""


class ShardHopeless(PhrasemillError):
    """Nearly all is rejected, or an id ran out of attempts; the message has the histogram and examples."""


class GateFailed(PhrasemillError):
    """A shard failed the gate and lies in quarantine; the message names expectation, value and limit.

    Args:
        message: see above.
        gravest: the name of the gravest expectation that failed.
    """

    def __init__(self, message: str, *, gravest: str = "") -> None:
        super().__init__(message)
        self.gravest = gravest


class QuarantineError(PhrasemillError):
    """A quarantined shard is not there, or cannot be accepted; the message says which and why."""


class NightIncomplete(PhrasemillError):
    """A shard of the night has no manifest; the message names it and the report."""


class DataDocsError(PhrasemillError):
    """Great Expectations did not build a page of a night's Data Docs; the night itself is none the worse."""


class StoreError(PhrasemillError):
    """The bucket refuses: missing, forbidden, or holding something it should not."""


class StoreUnavailable(StoreError):
    """The bucket does not answer now (network, 5xx, throttling); later it may."""

    retryable = True


class ObjectDamaged(StoreError):
    """An object does not read back as it was written: its sha256 differs from the one put with it."""


class RecordUnreadable(StoreError):
    """A manifest or a quarantine record is not of this version of phrasemill, or not whole."""


class StagingIncomplete(StoreError):
    """Blocks that validate or publish needs are missing or damaged: the shard must be generated again."""


class CommitConflict(StoreError):
    """The bucket holds another commit of this shard under another fingerprint."""
