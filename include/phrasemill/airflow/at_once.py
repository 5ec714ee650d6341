"""How many instances of a mapped task of one run work at once: settings in the environment of Airflow's Dag processor.

The pool bounds those that write shards. These bound what is bound by cores and memory of the workers.
"""

import os

from phrasemill.errors import SpecError

VALIDATE, VALIDATE_USUAL = "PHRASEMILL_VALIDATE_TASKS", 2
PUBLISH, PUBLISH_USUAL = "PHRASEMILL_PUBLISH_TASKS", 4
RELEASE, RELEASE_USUAL = "PHRASEMILL_RELEASE_TASKS", 2
"""The memory of a release is shared out for two tasks on one machine; workers on machines of their own bear more."""


def at_once(variable: str, usual: int) -> int:
    """What the environment variable says, or what is usual.

    Raises:
        SpecError: it says no number above 0.
    """
    told = os.environ.get(variable) or str(usual)
    if not told.isdecimal() or not int(told):
        raise SpecError(f"{variable} is {told!r}; write a number of tasks such as {usual}")
    return int(told)
