"""What can be wrong with a comparison as it was asked for."""

from phrasemill.errors import PhrasemillError


class ComparisonError(PhrasemillError):
    """The sides cannot be read, or cannot be compared; the message says which and what to write instead."""
