"""Metrics: the figures of a whole shard that its expectations are set on.

| metric | meaning |
|---|---|
| rows, chars, text_bytes | phrases, their Unicode characters, their UTF-8 bytes |
| mean_chars, sd_chars | mean and standard deviation of characters a phrase |
| p05_chars, p95_chars | the length that 5 and 95 in 100 phrases do not exceed |
| mean_words | words a phrase; a word is a run of letters, digits and apostrophes |
| first_attempt | the least attempt of its rows |
| mean_attempt, sd_attempt | re-asks a phrase needed: attempts above the first |
| reject_share | outputs rejected, of all outputs judged |
| completion_tokens_per_phrase | rejected outputs' tokens included |
| tokens_per_char | completion tokens an output judged, over mean_chars; 0 where engines report no tokens |
| language_share, language_sample | phrases that read as the corpus's language, of so many asked about |
| near_duplicate_share | phrases of which an earlier one has 70 % of the words (`near_duplicates`) |
| distinct_1, distinct_2, distinct_3 | different word n-grams of all, every 500 consecutive phrases counted apart |
| compression_ratio | bytes of the texts over what zstd makes of them, every 500 consecutive phrases apart |
| top_opening_share | phrases that begin with the shard's most common first three words |
| template_coverage | the least of: rows of a template, of those the plan gives it |
| slot_coverage | lexemes with a row, of all that the plan gives the shard |
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.facts import Facts
from phrasemill.gate.checks import STANDARD_ERRORS, share_error
from phrasemill.gate.coverage import Coverage, coverage_of
from phrasemill.gate.languages import Languages, languages_of
from phrasemill.gate.near_duplicates import Pair, near_duplicates
from phrasemill.gate.verdict import EXAMPLES_SHOWN
from phrasemill.gate.words import common_openings, compression_ratio, distinct, rows_with_opening, words_of
from phrasemill.planning import Shard
from phrasemill.spec import CorpusSpec

OPENINGS_KEPT = 20


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one shard."""

    metrics: dict[str, float]
    lengths: dict[int, int]
    """Phrases by their number of characters."""
    openings: dict[str, int]
    """Phrases by their first three words, the most common ones first."""
    opening_rows: list[int]
    """Some rows with the most common opening."""
    languages: Languages
    pairs: list[Pair]
    """Some near-duplicates."""
    coverage: Coverage
    chars: npt.NDArray[np.int64]
    """Characters of each row's text."""

    @property
    def top_opening(self) -> str:
        """The opening that most phrases share."""
        return next(iter(self.openings), "")

    def share_error(self, limit: float, *, sample: float) -> float:
        """What chance adds to a share at its limit, over a sample of this size."""
        return share_error(limit, sample=sample)

    def mean_error(self, what: str) -> float:
        """What chance adds to mean_<what>."""
        return STANDARD_ERRORS * self.metrics[f"sd_{what}"] / math.sqrt(max(1.0, self.metrics["rows"]))

    def quantile_error(self, level: float) -> float:
        """Characters that the quantile of lengths at this level strays by, towards the middle."""
        error = self.share_error(level, sample=len(self.chars))
        inner = min(1.0, level + error) if level < 0.5 else max(0.0, level - error)
        return abs(quantile(self.chars, inner) - quantile(self.chars, level))


def measure(rows: pa.Table, *, spec: CorpusSpec, shard: Shard, facts: Facts) -> Figures:
    """Figures of a shard's rows (columns of `phrasemill.rows.SCHEMA`); nulls count as empty."""
    texts = rows.column("text").combine_chunks().fill_null("")
    chars = pc.utf8_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    attempts = rows.column("attempt").combine_chunks().drop_null().to_numpy(zero_copy_only=False)
    # A shard that comes back from quarantine begins above 0; its least attempt is where it began.
    first_attempt = int(attempts.min()) if len(attempts) else 0
    words = words_of(texts)
    openings = common_openings(words, OPENINGS_KEPT)
    repeats, pairs = near_duplicates(words, pairs=EXAMPLES_SHOWN)
    languages = languages_of(texts, expected=spec.language, strangers=EXAMPLES_SHOWN)
    coverage = coverage_of(rows, spec=spec, shard=shard, first_attempt=first_attempt)
    phrases = max(1, rows.num_rows)
    metrics = {
        "rows": float(rows.num_rows),
        **_lengths(texts, chars),
        "mean_words": words.count / phrases,
        "first_attempt": float(first_attempt),
        "mean_attempt": max(0.0, _mean(attempts) - first_attempt),
        "sd_attempt": _deviation(attempts),
        "reject_share": facts.reject_share,
        "completion_tokens_per_phrase": facts.completion_tokens / phrases,
        "tokens_per_char": facts.completion_tokens / max(1, facts.judged) / max(1.0, _mean(chars)),
        "language_share": languages.share(spec.language),
        "language_sample": float(languages.asked),
        "near_duplicate_share": repeats / phrases,
        **{f"distinct_{n}": distinct(words, n) for n in (1, 2, 3)},
        "compression_ratio": compression_ratio(texts),
        "top_opening_share": max(openings.values(), default=0) / phrases,
        "template_coverage": coverage.templates,
        "slot_coverage": coverage.slots,
    }
    lengths, counts = np.unique(chars, return_counts=True)
    by_length = dict(zip(lengths.tolist(), counts.tolist(), strict=True))
    return Figures(
        metrics=metrics,
        lengths=by_length,
        openings=openings,
        opening_rows=rows_with_opening(words, next(iter(openings), ""), most=EXAMPLES_SHOWN),
        languages=languages,
        pairs=pairs,
        coverage=coverage,
        chars=chars,
    )


def quantile(chars: npt.NDArray[np.int64], level: float) -> float:
    """The shortest length that a share `level` of phrases does not exceed; 0 without phrases."""
    return float(np.quantile(chars, level, method="inverted_cdf")) if len(chars) else 0.0


def _lengths(texts: pa.Array, chars: npt.NDArray[np.int64]) -> dict[str, float]:
    return {
        "chars": float(chars.sum()),
        "text_bytes": float(pc.sum(pc.binary_length(texts)).as_py() or 0),
        "mean_chars": _mean(chars),
        "sd_chars": _deviation(chars),
        "p05_chars": quantile(chars, 0.05),
        "p95_chars": quantile(chars, 0.95),
    }


def _mean(values: npt.NDArray[np.integer]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _deviation(values: npt.NDArray[np.integer]) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0
