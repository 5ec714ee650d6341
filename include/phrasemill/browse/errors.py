"""What can keep a page of a release from being shown."""

from phrasemill.errors import StoreError
from phrasemill.release.errors import ReleaseError


class NotInRelease(ReleaseError):
    """The phrase, scene, lexeme or word asked for is not in this release; a page says so with 404."""


class NoRelease(ReleaseError):
    """The corpus has no published release, or not the version asked for."""


class ReleaseUnreadable(StoreError):
    """A file of a published release is gone, damaged, or not what its manifest says; the message names it."""
