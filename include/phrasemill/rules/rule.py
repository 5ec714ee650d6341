"""Rule: one named check of a phrase, and what it can tell about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from phrasemill.rules.phrase import Phrase


def _nothing(_: Phrase) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A check with the reason that it rejects by.

    Args:
        name: the reject reason.
        objects: whether it rejects a phrase.
        tells: what it found, in words, for `phrasemill rules try`; asked only there.
        settings: the corpus's settings that it reads.
        meaning: what is wrong with a phrase that it rejects.
    """

    name: str
    objects: Callable[[Phrase], bool]
    tells: Callable[[Phrase], str] = _nothing
    settings: Mapping[str, Any] = field(default_factory=dict)
    meaning: str = ""
