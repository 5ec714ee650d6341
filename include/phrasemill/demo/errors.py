"""What stops the demo. Every message is one line with the log to read or the thing to change."""

from phrasemill.errors import PhrasemillError


class DemoError(PhrasemillError):
    """The demo cannot go on."""


class DemoOptionError(DemoError):
    """A value given by the user (PHRASES, SHARDS, CORPUS, a port) makes no sense."""


class PortTaken(DemoError):
    """Another program listens on a port that a part needs."""


class DiskFull(DemoError):
    """The state folder's disk has too little room."""


class PartFailed(DemoError):
    """A part did not come up, or went away; the message names its log."""


class NightFailed(DemoError):
    """The run ended red; the message names the task and what it said."""
