"""Samples: what each side wrote to the same prompts."""

from collections.abc import Sequence

from phrasemill.comparison.figures import Sample, SampleText
from phrasemill.comparison.grinding import Ground
from phrasemill.prompts import PromptBook

SAMPLES = 10


def samples_of(grounds: Sequence[Ground | None], *, most: int = SAMPLES) -> tuple[Sample, ...]:
    """Some prompts, evenly spread over those that all whole sides have, with the first phrase of each side.

    The prompt of rank k is that of phrase k where each phrase has its own prompt, and of phrase k times the group
    where phrases share one: with n=4 phrases 0 to 3 have the prompt that phrase 0 has with n=1.

    Args:
        grounds: of the sides in their order; None for one that was not run.
        most: how many samples.
    """
    whole = [ground for ground in grounds if ground is not None and ground.rows is not None]
    if not whole:
        return ()
    prompts = min(ground.side.spec.shard_phrases // ground.side.spec.sampling.group for ground in whole)
    count = min(most, prompts)
    book = PromptBook(whole[0].side.spec)
    group = whole[0].side.spec.sampling.group
    samples = []
    for number in range(count):
        rank = number * prompts // count
        asked = book.prompt(rank * group)
        samples.append(
            Sample(
                template=asked.template, slots=asked.slots, texts=tuple(_text_of(ground, rank) for ground in grounds)
            )
        )
    return tuple(samples)


def _text_of(ground: Ground | None, rank: int) -> SampleText | None:
    if ground is None or ground.rows is None:
        return None
    row = rank * ground.side.spec.sampling.group
    text, attempt = (ground.rows.column(name)[row].as_py() for name in ("text", "attempt"))
    return SampleText(text=text, asked_again=attempt > 0)
