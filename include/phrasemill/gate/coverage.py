"""Coverage: whether a shard's rows hold what the corpus's plan gives it, template by template, lexeme by lexeme."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.planning import Shard
from phrasemill.prompts import PromptBook
from phrasemill.spec import CorpusSpec

LEXEMES_NAMED = 3


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a shard covers of its plan. Shares are of 1."""

    templates: float
    """The least of: rows of a template, of those the plan gives it."""
    rows_of_template: dict[str, int]
    """Rows by template, the most common ones first."""
    slots: float
    """Lexemes with a row, of all that the plan gives the shard."""
    slots_of_lexicon: dict[str, float]
    """The same for each lexicon."""
    lexemes: int
    """How many the plan gives it."""
    missing: tuple[str, ...]
    """Lexemes without a row, as 'lexicon: lexeme'; those first that the plan gives most phrases."""
    slots_chance: float
    """How much of `slots` a good shard of this size may lack: see `_lost_by_chance`."""


def coverage_of(rows: pa.Table, *, spec: CorpusSpec, shard: Shard, first_attempt: int) -> Coverage:
    """Compare rows with the plan.

    Args:
        rows: the shard's.
        spec: gives the plan.
        shard: which one.
        first_attempt: the attempt that the plan's prompts have: above 0 after a quarantine.
    """
    ids = np.arange(shard.first_id, shard.first_id + shard.rows, dtype=np.int64)
    plan = PromptBook(spec).coordinates(ids, np.full_like(ids, first_attempt))
    planned, found = _templates(plan.column("template")), _templates(rows.column("template"))
    lexemes, there = _lexemes(plan.column("slots")), _lexemes(rows.column("slots"))
    missing = [lexeme for lexeme, _ in lexemes.most_common() if lexeme not in there]
    in_lexicon = Counter(map(_lexicon, lexemes))
    lost = Counter(map(_lexicon, missing))
    again = pc.sum(pc.greater(rows.column("attempt"), first_attempt)).as_py() or 0
    return Coverage(
        templates=min(found[name] / count for name, count in planned.items()),
        rows_of_template=dict(found.most_common()),
        slots=(len(lexemes) - len(missing)) / max(1, len(lexemes)),
        slots_of_lexicon={name: (count - lost[name]) / count for name, count in in_lexicon.items()},
        lexemes=len(lexemes),
        missing=tuple(missing),
        slots_chance=_lost_by_chance(lexemes, share=again / max(1, rows.num_rows), group=spec.sampling.group),
    )


def _lost_by_chance(planned: Counter[str], *, share: float, group: int) -> float:
    """Lexemes, of all planned, that a good shard may be without because re-asks took other ones.

    A lexeme planned for c phrases is lost if all of them were asked again: share**c, where phrases of one prompt
    count once. That is the mean number lost; three standard deviations of it come on top.
    """
    lost = [share ** math.ceil(count / group) for count in planned.values()]
    deviation = math.sqrt(sum(chance * (1 - chance) for chance in lost))
    return (sum(lost) + 3 * deviation) / max(1, len(lost))


def coordinates_in_words(table: pa.Table) -> pa.Array:
    """Template, scene and slots of each row as one string; null where one of them is."""
    slots = table.column("slots").combine_chunks()
    entries = pc.binary_join_element_wise(slots.keys, slots.items, "=")
    lists = pa.ListArray.from_arrays(slots.offsets, entries)
    joined = pc.if_else(slots.is_valid(), pc.binary_join(lists, "; "), None)
    template = table.column("template").cast(pa.string()).combine_chunks()
    scene = table.column("scene").cast(pa.string()).combine_chunks()
    return pc.binary_join_element_wise(template, scene, joined, " | ")


def planned_coordinates(rows: pa.Table, spec: CorpusSpec) -> pa.Array:
    """What the corpus file gives each row's id and attempt, as `coordinates_in_words` has it."""
    ids = pc.max_element_wise(rows.column("phrase_id"), 0, skip_nulls=True)
    attempts = pc.max_element_wise(rows.column("attempt").cast(pa.int64()), 0, skip_nulls=True)
    if not rows.num_rows:
        return pa.array([], pa.string())
    return coordinates_in_words(PromptBook(spec).coordinates(ids.to_numpy(), attempts.to_numpy()))


def _templates(column: pa.ChunkedArray) -> Counter[str]:
    counts = pc.value_counts(column.cast(pa.string()))
    return Counter({entry["values"]: entry["counts"] for entry in counts.to_pylist()})


def _lexemes(column: pa.ChunkedArray) -> Counter[str]:
    """Rows by 'lexicon: lexeme'."""
    flat = column.drop_null().combine_chunks()
    first, last = (flat.offsets[0].as_py(), flat.offsets[-1].as_py()) if len(flat) else (0, 0)
    entries = pc.binary_join_element_wise(flat.keys, flat.items, ": ").slice(first, last - first)
    return Counter({entry["values"]: entry["counts"] for entry in pc.value_counts(entries).to_pylist()})


def _lexicon(lexeme: str) -> str:
    return lexeme.partition(": ")[0]
