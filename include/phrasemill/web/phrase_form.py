"""What a page asks of the random phrases, and what it shows of them: the form, the phrases, and which they are."""

import secrets
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Query

from phrasemill.errors import StoreError
from phrasemill.night_lines import counted
from phrasemill.planning import format_shards
from phrasemill.report.words import visible
from phrasemill.spec import CorpusSpec
from phrasemill.templates import lexeme_base
from phrasemill.web.corpus_cache import Seen
from phrasemill.web.phrases import DRAWN, MAX_SEED, Drawn, Filter, FilterMistake, check_filter, draw
from phrasemill.web.problems import one_line

LEXEMES_OFFERED = 2000
"""Of all slots together, about 80 kB of the page; others can be typed."""

Words = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class Asked:
    """A filter and a seed in words; `seed` is None where the form was not sent, and empty for any."""

    wanted: Filter
    seed: str | None

    @property
    def sent(self) -> bool:
        """Whether anybody asked for phrases at all."""
        return self.seed is not None or self.wanted != Filter()


def asked_by(
    template: Words = "",
    slot: Words = "",
    lexeme: Words = "",
    seed: Annotated[str | None, Query(max_length=20)] = None,
) -> Asked:
    """From the query of a request; nothing of it has been checked."""
    return Asked(Filter(template, slot, lexeme.strip()), seed)


AskedByQuery = Annotated[Asked, Depends(asked_by)]


class PhraseValues(NamedTuple):
    """The status of the answer, and what phrases.html.j2 is drawn from."""

    status: int
    values: dict[str, Any]


def phrase_values(seen: Seen, asked: Asked, *, unsent: bool = False) -> PhraseValues:
    """Draw what was asked for; `unsent` draws also where the form was not sent."""
    drawn, said, status = None, "", 200
    try:
        if seen.spec:
            check_filter(seen.spec, asked.wanted)
        if asked.sent or unsent:
            drawn, said = _drawn(seen, asked)
    except FilterMistake as error:
        status, said = 400, str(error)
    except StoreError as error:
        status, said = 503, f"The phrases cannot be read: {one_line(error)}"
    return PhraseValues(
        status,
        {
            "dag_id": seen.dag_id,
            "language": seen.spec.language if seen.spec else "en",
            "templates": [template.name for template in seen.spec.prompts.templates] if seen.spec else [],
            "lexemes": _lexemes(seen.spec) if seen.spec else {},
            "wanted": asked.wanted,
            "drawn": drawn,
            "said": said,
            "mistake": status != 200,
        },
    )


def _drawn(seen: Seen, asked: Asked) -> tuple[Drawn | None, str]:
    if seen.store is None or seen.snapshot is None:
        return None, seen.problem or "The bucket has not been read yet."
    if not seen.snapshot.shards:
        return None, "No shard is committed yet, so there are no phrases."
    drawn = draw(seen.store, seen.snapshot.shards, asked.wanted, seed=_seed(asked.seed))
    return drawn, _which(drawn, asked.wanted)


def _seed(text: str | None) -> int:
    """A number from a query; any where it is empty.

    Raises:
        FilterMistake: it is no such number.
    """
    if not text:
        return secrets.randbelow(MAX_SEED)
    if not (text.isascii() and text.isdigit() and int(text) < MAX_SEED):
        raise FilterMistake(f"The seed must be a whole number below {MAX_SEED}, not “{visible(text)}”.")
    return int(text)


def _which(drawn: Drawn, wanted: Filter) -> str:
    """A line on the phrases: how many of how many, of what, and from where."""
    shards = f"shard{'' if len(drawn.shards) == 1 else 's'} {format_shards(list(drawn.shards))}"
    fit = f" with {wanted.in_words}" if wanted.in_words else ""
    if drawn.fitting > DRAWN:
        return f"{DRAWN} of {drawn.fitting:,} phrases{fit} in {shards}, drawn at random."
    found = counted(drawn.fitting, "phrase") if drawn.fitting else "no phrase"
    return f"Only {found}{fit} in {shards}; another ten are looked for in other shards."


def _lexemes(spec: CorpusSpec) -> dict[str, list[str]]:
    """Lexemes to choose from, by slot."""
    each = max(1, LEXEMES_OFFERED // len(spec.prompts.lexicons))
    return {name: [lexeme_base(one) for one in lexicon[:each]] for name, lexicon in spec.prompts.lexicons.items()}
