"""What keeps engines from being served. Each message says what happened, where, and what to do next."""

from phrasemill.errors import PhrasemillError


class ServingError(PhrasemillError):
    """Engines cannot be served as asked."""


class ProfileError(ServingError):
    """A profile does not exist, is wrong, or does not fit the model or the machine."""


class NoGpu(ServingError):
    """There is no NVIDIA GPU, no driver, or not the one that was named."""


class TooLittleMemory(ServingError):
    """The engines asked for do not fit into the memory that is free."""


class ModelNotFound(ServingError):
    """The model or an adapter is not where it was said to be, or is of a kind that cannot be served."""


class VllmUnusable(ServingError):
    """vLLM is missing, too old, or does not start at all."""


class ServingPortTaken(ServingError):
    """Another program listens where an engine should."""


class StateFolderTaken(ServingError):
    """Another supervisor works on this state folder."""


class EngineFailed(ServingError):
    """An engine did not become healthy, or fails again and again; the message has its last words and its log."""
