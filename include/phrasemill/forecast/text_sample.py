"""Length and size of accepted phrases, from a sample of an engine's answers. Pure."""

import math
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from phrasemill.listing import list_entries
from phrasemill.ranges import Range
from phrasemill.rate_range import mean_range
from phrasemill.rules import RuleBook
from phrasemill.spec import CorpusSpec

USUAL_LENGTH = 0.25  # spread of the length of one phrase: rules keep it between two limits
USUAL_BYTES = 0.02  # of the bytes a character: it hangs on the language, hardly on the phrase


class TextFigures(BaseModel):
    """Accepted phrases of a sample, and what their length and size are on average."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    phrases: int
    chars: int
    text_bytes: int
    chars_per_phrase: Range
    bytes_per_char: Range


def text_figures(spec: CorpusSpec, answers: Iterable[str]) -> TextFigures | None:
    """Judge answers by the corpus's rules and look at those that pass; None if none does.

    What only a shard can tell (duplicates, copied prompts, missing lexemes) is not asked: it hardly hangs on length.
    """
    judge, listed = RuleBook(spec).judge, spec.sampling.phrases_per_prompt
    texts = [
        verdict.text
        for answer in answers
        for text in (_phrases(answer, listed) if listed > 1 else [answer])
        if (verdict := judge(text)).reason is None
    ]
    chars, size = sum(map(len, texts)), sum(len(text.encode()) for text in texts)
    lengths = mean_range([(len(text), 1.0) for text in texts], usual=USUAL_LENGTH)
    if lengths is None:
        return None
    error = 2 * USUAL_BYTES / math.sqrt(len(texts))
    a_char = size / chars
    return TextFigures(
        phrases=len(texts),
        chars=chars,
        text_bytes=size,
        chars_per_phrase=lengths,
        bytes_per_char=Range(low=max(1.0, a_char / (1 + error)), likely=a_char, high=a_char * (1 + error)),
    )


def _phrases(answer: str, count: int) -> list[str]:
    """The entries of a numbered list; the answer itself where it is none, as answers to re-asks are."""
    return [entry for entry in list_entries(answer, count) if entry] or [answer]
