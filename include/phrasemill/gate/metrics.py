"""Metrics: the figures of a whole shard that its expectations are set on, each from all of its rows.

| metric | meaning |
|---|---|
| rows, chars, text_bytes | phrases, their Unicode characters, their UTF-8 bytes |
| mean_chars, sd_chars | mean and standard deviation of characters a phrase |
| mean_words | words a phrase; a word is a run of letters, digits and apostrophes |
| first_attempt | the least attempt of its rows |
| mean_attempt, sd_attempt | re-asks a phrase needed: attempts above the first |
| reject_share | outputs rejected, of all outputs judged |
| completion_tokens_per_phrase | rejected outputs' tokens included |
| distinct_1, distinct_2, distinct_3 | different word n-grams of all, every 500 consecutive phrases counted apart |
| top_opening_share | phrases that begin with the shard's most common first three words |
| template_coverage | the least of: rows of a template, of those the plan gives it |
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.facts import Facts
from phrasemill.planning import Shard
from phrasemill.prompts import PromptBook
from phrasemill.spec import CorpusSpec

# distinct-n falls as a text grows, so it is taken over runs of one size: shards of 500 and of 25,000 compare.
DISTINCT_WINDOW = 500
OPENING_WORDS = 3
NOT_A_WORD = r"[^\p{L}\p{M}\p{N}'’]+"


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one shard: `metrics` by name, phrases by length, and the opening that most phrases share."""

    metrics: dict[str, float]
    lengths: dict[int, int]
    top_opening: str


@dataclass(frozen=True, slots=True)
class _Words:
    """Words of all phrases as numbers, end to end; phrase k has those from starts[k] to starts[k + 1]."""

    codes: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int64]
    openings: pa.Array


def measure(rows: pa.Table, *, spec: CorpusSpec, shard: Shard, facts: Facts) -> Figures:
    """Figures of a shard's rows (columns of `phrasemill.rows.SCHEMA`); nulls count as empty."""
    count = rows.num_rows
    texts = rows.column("text").combine_chunks().fill_null("")
    chars = pc.utf8_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    attempts = rows.column("attempt").combine_chunks().drop_null().to_numpy(zero_copy_only=False)
    # A shard that comes back from quarantine begins above 0; its least attempt is where it began.
    first_attempt = float(attempts.min()) if len(attempts) else 0.0
    words = _words(texts)
    opening, opening_rows = _most_common(words.openings)
    metrics = {
        "rows": float(count),
        "chars": float(chars.sum()),
        "text_bytes": float(pc.sum(pc.binary_length(texts)).as_py() or 0),
        "mean_chars": _mean(chars),
        "sd_chars": _deviation(chars),
        "mean_words": len(words.codes) / max(1, count),
        "first_attempt": first_attempt,
        "mean_attempt": max(0.0, _mean(attempts) - first_attempt),
        "sd_attempt": _deviation(attempts),
        "reject_share": facts.reject_share,
        "completion_tokens_per_phrase": facts.completion_tokens / max(1, count),
        **{f"distinct_{n}": _distinct(words, n) for n in (1, 2, 3)},
        "top_opening_share": opening_rows / max(1, count),
        "template_coverage": _coverage(rows, spec=spec, shard=shard),
    }
    lengths, phrases = np.unique(chars, return_counts=True)
    return Figures(metrics, dict(zip(lengths.tolist(), phrases.tolist(), strict=True)), opening)


def sampling_error(metrics: dict[str, float], metric: str, *, limit: float, judged: int) -> float:
    """Three standard errors of a metric over a shard of this size.

    A limit is meant for the corpus. A shard of 60 rows strays from it by chance, one of 25,000 hardly does:
    three standard errors let one good shard in 700 fail that lies exactly at the limit.
    """
    if metric in {"mean_chars", "mean_attempt"}:
        return 3 * metrics[metric.replace("mean", "sd")] / math.sqrt(max(1.0, metrics["rows"]))
    sample = judged if metric == "reject_share" else metrics["rows"]
    return 3 * math.sqrt(limit * (1 - limit) / max(1.0, sample))


def _words(texts: pa.Array) -> _Words:
    folded = pc.utf8_lower(pc.utf8_normalize(texts, "NFKC"))
    spaced = pc.utf8_trim_whitespace(pc.replace_substring_regex(folded, NOT_A_WORD, " "))
    split = pc.utf8_split_whitespace(spaced)
    codes = split.flatten().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    starts = np.concatenate([[0], np.cumsum(pc.list_value_length(split).to_numpy(zero_copy_only=False))])
    openings = pc.binary_join(pc.list_slice(split, 0, OPENING_WORDS), " ")
    return _Words(codes.astype(np.uint64), starts.astype(np.int64), openings)


def _most_common(values: pa.Array) -> tuple[str, int]:
    counts = pc.value_counts(values)
    if not len(counts):
        return "", 0
    most = max(counts.to_pylist(), key=lambda entry: (entry["counts"], entry["values"]))
    return most["values"], most["counts"]


def _distinct(words: _Words, n: int) -> float:
    """Different n-grams of all, each run of DISTINCT_WINDOW phrases counted apart; 0 without n-grams."""
    phrase = np.repeat(np.arange(len(words.starts) - 1), np.diff(words.starts))
    base = words.codes.max(initial=0) + np.uint64(1)
    different = total = 0
    for first in range(0, len(words.starts) - 1, DISTINCT_WINDOW):
        last = min(first + DISTINCT_WINDOW, len(words.starts) - 1)
        window = slice(words.starts[first], words.starts[last])
        codes, owner = words.codes[window], phrase[window]
        count = max(0, len(codes) - n + 1)
        grams = np.zeros(count, np.uint64)
        for k in range(n):
            grams = grams * base + codes[k : k + count]
        grams = grams[owner[:count] == owner[n - 1 : n - 1 + count]]
        different += len(np.unique(grams))
        total += len(grams)
    return different / total if total else 0.0


def _coverage(rows: pa.Table, *, spec: CorpusSpec, shard: Shard) -> float:
    """The least, over templates, of the rows a template has to those the plan gives it."""
    ids = np.arange(shard.first_id, shard.first_id + shard.rows, dtype=np.int64)
    plan = PromptBook(spec).coordinates(ids, np.zeros_like(ids)).column("template")
    planned, found = _counts(plan), _counts(rows.column("template"))
    return min(found.get(name, 0) / count for name, count in planned.items())


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    counts = pc.value_counts(column.cast(pa.string()))
    return {entry["values"]: entry["counts"] for entry in counts.to_pylist()}


def _mean(values: npt.NDArray[np.integer]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _deviation(values: npt.NDArray[np.integer]) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0
