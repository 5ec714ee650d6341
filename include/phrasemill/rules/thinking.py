"""Cuts off what a reasoning model thinks before it answers: <think>...</think>, also without its first tag."""

import re

TAGS = r"(?:think|thinking|thought|reasoning)"
OPENING = re.compile(rf"\s*<{TAGS}>", re.IGNORECASE)
CLOSING = re.compile(rf"</{TAGS}>", re.IGNORECASE)


def after_thinking(answer: str) -> str | None:
    """The answer without its thinking; None if the thinking never ends, or nothing comes after it.

    Call it for answers that hold "</" or begin with "<": all others are returned as they are.
    """
    rest = CLOSING.split(answer)[-1]
    if OPENING.match(rest) or (rest != answer and not rest.strip()):
        return None
    return rest
