"""What can keep a release from being made."""

from phrasemill.errors import PhrasemillError


class ReleaseError(PhrasemillError):
    """A release cannot be made or read as asked; the message says what to do."""


class ReleaseExists(ReleaseError):
    """This version is published already, and is never overwritten."""


class ReleaseQuarantined(ReleaseError):
    """The corpus gate failed this version; the message names expectation, value and limit."""


class NotCovered(ReleaseError):
    """Shards of the corpus are not committed yet, and no partial release was asked for."""


class ReleaseShort(ReleaseError):
    """Fewer unique phrases than the target; the message says by how many and which shards to write.

    Attributes:
        short_by: phrases that are missing.
        shards: in the words of `planning.parse_shards`, those to write.
    """

    def __init__(self, message: str, *, short_by: int, shards: str) -> None:
        super().__init__(message)
        self.short_by, self.shards = short_by, shards


class WorkMissing(ReleaseError):
    """What an earlier step of the release leaves is not there: clear that step, or run the release again."""

    retryable = True
