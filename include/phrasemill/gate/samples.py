"""Samples: rows that failed expectations stumbled over, with the reason and the text of each."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa

from phrasemill.facts import Facts
from phrasemill.gate.metrics import Figures
from phrasemill.gate.verdict import EXAMPLES_SHOWN, Expectation, FailingRow, NearDuplicate

TEXT_CHARS = 500


def failing_rows(
    failed: Iterable[Expectation], rows: pa.Table, *, figures: Figures, facts: Facts
) -> tuple[FailingRow, ...]:
    """Some rows for each failed expectation: those it named itself, or those that make its figure what it is."""
    failed, samples = list(failed), list[FailingRow]()
    if not failed or not rows.num_rows:
        return ()
    where = {phrase_id: row for row, phrase_id in enumerate(rows.column("phrase_id").to_pylist())}
    for expectation in failed:
        if expectation.name == "share of outputs rejected":
            samples += _rejected(expectation.name, facts)
            continue
        culprits: Iterable[tuple[int, str]] = (
            (where[one], f"breaks {expectation.limit!r}") for one in expectation.examples
        )
        if not expectation.examples and (find := CULPRITS.get(expectation.name)):
            culprits = find(rows, figures)
        samples += [_row(expectation.name, rows, row, why) for row, why in list(culprits)[:EXAMPLES_SHOWN]]
    return tuple(samples)


def near_duplicate_examples(rows: pa.Table, figures: Figures) -> tuple[NearDuplicate, ...]:
    """The near-duplicates that were looked at closely, with what they are like."""
    return tuple(
        NearDuplicate(
            phrase_id=_id(rows, pair.row) or 0,
            text=_text(rows, pair.row),
            earlier_id=_id(rows, pair.earlier) or 0,
            earlier_text=_text(rows, pair.earlier),
            similarity=pair.similarity,
        )
        for pair in figures.pairs
    )


def _rejected(name: str, facts: Facts) -> Iterator[FailingRow]:
    """An output of each reject reason, the most frequent reasons first."""
    common = sorted(facts.rejects, key=lambda reason: -facts.rejects[reason])
    for reason in [reason for reason in common if facts.examples.get(reason)][:EXAMPLES_SHOWN]:
        why = f"rejected as {reason}, one of {facts.rejects[reason]}"
        yield FailingRow(expectation=name, why=why, text=facts.examples[reason][0][:TEXT_CHARS])


def _strangers(_rows: pa.Table, figures: Figures) -> Iterator[tuple[int, str]]:
    return ((row, f"reads as {language}") for row, language in figures.languages.strangers)


def _alike(rows: pa.Table, figures: Figures) -> Iterator[tuple[int, str]]:
    for pair in figures.pairs:
        earlier = f"phrase {_id(rows, pair.earlier)}: {_text(rows, pair.earlier)[:120]}"
        yield pair.row, f"shares {pair.similarity:.0%} of its words with {earlier}"


def _with_top_opening(_rows: pa.Table, figures: Figures) -> Iterator[tuple[int, str]]:
    return ((row, f"begins with {figures.top_opening[:40]!r}") for row in figures.opening_rows)


def _shortest(_rows: pa.Table, figures: Figures) -> Iterator[tuple[int, str]]:
    return _of_lengths(figures, 0, 0)


def _longest(_rows: pa.Table, figures: Figures) -> Iterator[tuple[int, str]]:
    return _of_lengths(figures, 1, 1)


def _of_all_lengths(_rows: pa.Table, figures: Figures) -> Iterator[tuple[int, str]]:
    return _of_lengths(figures, 0.1, 0.9)


def _of_lengths(figures: Figures, lowest: float, highest: float) -> Iterator[tuple[int, str]]:
    """Rows whose lengths lie evenly between two quantiles, or at one of the ends."""
    order = np.argsort(figures.chars, kind="stable")
    if lowest == highest:
        rows = order[:EXAMPLES_SHOWN] if not lowest else order[::-1][:EXAMPLES_SHOWN]
    else:
        rows = order[np.unique((np.linspace(lowest, highest, EXAMPLES_SHOWN) * (len(order) - 1)).astype(int))]
    return ((int(row), f"has {figures.chars[row]} characters") for row in rows)


CULPRITS: dict[str, Callable[[pa.Table, Figures], Iterator[tuple[int, str]]]] = {
    "language of the texts": _strangers,
    "near-duplicate phrases": _alike,
    "share of the most common opening": _with_top_opening,
    "characters of the shortest phrases (p05)": _shortest,
    "characters of the longest phrases (p95)": _longest,
    "mean characters a phrase": _of_all_lengths,
}


def _row(name: str, rows: pa.Table, row: int, why: str) -> FailingRow:
    return FailingRow(expectation=name, why=why, phrase_id=_id(rows, row), text=_text(rows, row)[:TEXT_CHARS])


def _id(rows: pa.Table, row: int) -> int | None:
    found: int | None = rows.column("phrase_id")[row].as_py()
    return found


def _text(rows: pa.Table, row: int) -> str:
    return (rows.column("text")[row].as_py() or "")[:TEXT_CHARS]
