"""Checks on the figures of a whole shard. Pure.

Most limits are widened by what chance explains in a shard of this size; distinct-n and compression are not: a small
shard repeats itself less than a large one, so it never fails them by chance.
"""

from collections.abc import Mapping, Sequence

from phrasemill.gate.checks import (
    Check,
    decimal_in_words,
    figure_check,
    share_at_least,
    share_at_most,
    share_error,
    share_in_words,
)
from phrasemill.gate.coverage import LEXEMES_NAMED
from phrasemill.gate.languages import Languages
from phrasemill.gate.metrics import Figures
from phrasemill.gate.words import WINDOW
from phrasemill.spec import CorpusSpec

NGRAMS = {1: "words", 2: "word pairs", 3: "word triples"}


def figure_checks(spec: CorpusSpec, *, figures: Figures, judged: int) -> list[Check]:
    """What holds for a shard as a whole: coverage, texts, what it took."""
    return [
        *_coverage(spec, figures),
        language_check(spec.language, least=spec.gate.min_language_share, found=figures.languages),
        _near_duplicates(spec, figures),
        *_lengths(spec, figures),
        _opening(spec, figures),
        *_diversity(spec),
        *_effort(spec, figures=figures, judged=judged),
    ]


def _coverage(spec: CorpusSpec, figures: Figures) -> list[Check]:
    gate, coverage = spec.gate, figures.coverage
    return [
        figure_check(
            "template coverage",
            "template_coverage",
            least=gate.min_template_coverage,
            column="template",
            limit=f"at least {share_in_words(gate.min_template_coverage)} of each template's planned phrases",
            format=share_in_words,
        ),
        slots_check(
            gate.min_slot_coverage,
            chance=coverage.slots_chance,
            lexemes=coverage.lexemes,
            missing=coverage.missing,
        ),
    ]


def slots_check(least: float, *, chance: float, lexemes: int, missing: Sequence[str]) -> Check:
    """A check on figure slot_coverage, of so many planned lexemes; some of the missing ones are named."""
    named = ", ".join(repr(lexeme) for lexeme in missing[:LEXEMES_NAMED])
    more = len(missing) - LEXEMES_NAMED
    return share_at_least(
        "slot coverage",
        "slot_coverage",
        least,
        chance=chance,
        of=f"of the {lexemes} planned lexemes",
        column="slots",
        note=f" (without {named}{f' and {more} more' if more > 0 else ''})" if named else "",
    )


def language_check(language: str, *, least: float, found: Languages) -> Check:
    """A check on figure language_share: the phrases that read as the corpus's language, of those asked about."""
    others = [f"{name} {count}" for name, count in found.counts.items() if name != language]
    return share_at_least(
        "language of the texts",
        "language_share",
        least,
        chance=share_error(least, sample=found.asked),
        of=f"read as {language}",
        column="text",
        note=f" of {found.asked} asked about" + (f" (others: {', '.join(others[:3])})" if others else ""),
    )


def _near_duplicates(spec: CorpusSpec, figures: Figures) -> Check:
    limit = spec.gate.max_near_duplicate_share
    chance = figures.share_error(limit, sample=figures.metrics["rows"])
    note = " share 70 % of their words with an earlier one"
    return share_at_most(
        "near-duplicate phrases", "near_duplicate_share", limit, chance=chance, column="text", note=note
    )


def _lengths(spec: CorpusSpec, figures: Figures) -> list[Check]:
    gate, chance = spec.gate, figures.mean_error("chars")
    low, high = figures.quantile_error(0.05), figures.quantile_error(0.95)
    return [
        Check(
            name="mean characters a phrase",
            expectation="ExpectColumnMeanToBeBetween",
            arguments={
                "column": "true_chars",
                "min_value": gate.min_mean_chars - chance,
                "max_value": gate.max_mean_chars + chance,
            },
            column="text",
            limit=f"{gate.min_mean_chars:g} to {gate.max_mean_chars:g}",
            chance=f"±{chance:.1f}" if chance >= 0.05 else "",
            format=decimal_in_words,
        ),
        figure_check(
            "characters of the shortest phrases (p05)",
            "p05_chars",
            least=gate.shortest - low,
            column="text",
            limit=f"at least {gate.shortest:g}",
            chance=f"-{low:g}" if low else "",
            format=decimal_in_words,
        ),
        figure_check(
            "characters of the longest phrases (p95)",
            "p95_chars",
            most=gate.longest + high,
            column="text",
            limit=f"at most {gate.longest:g}",
            chance=f"+{high:g}" if high else "",
            format=decimal_in_words,
        ),
    ]


def _opening(spec: CorpusSpec, figures: Figures) -> Check:
    limit = spec.gate.max_top_opening_share
    return share_at_most(
        "share of the most common opening",
        "top_opening_share",
        limit,
        chance=figures.share_error(limit, sample=figures.metrics["rows"]),
        column="text",
        note=f" ({figures.top_opening[:40]!r})",
    )


def distinct_checks(least: Mapping[int, float]) -> list[Check]:
    """Checks on figures distinct_1, distinct_2 and distinct_3, each with the least it may be."""
    return [
        figure_check(
            f"distinct {words} (distinct-{n})",
            f"distinct_{n}",
            least=least[n],
            column="text",
            limit=f"at least {share_in_words(least[n])} in {WINDOW} phrases",
            format=share_in_words,
        )
        for n, words in NGRAMS.items()
    ]


def _diversity(spec: CorpusSpec) -> list[Check]:
    gate = spec.gate
    return [
        *distinct_checks({1: gate.min_distinct_1, 2: gate.min_distinct_2, 3: gate.min_distinct_3}),
        figure_check(
            "compression ratio",
            "compression_ratio",
            most=gate.max_compression_ratio,
            column="text",
            limit=f"at most {gate.max_compression_ratio:g} for {WINDOW} phrases",
            format=decimal_in_words,
        ),
    ]


def _effort(spec: CorpusSpec, *, figures: Figures, judged: int) -> list[Check]:
    gate, chance = spec.gate, figures.mean_error("attempt")
    checks = [
        share_at_most(
            "share of outputs rejected",
            "reject_share",
            gate.max_reject_share,
            chance=figures.share_error(gate.max_reject_share, sample=judged),
        ),
        figure_check(
            "mean re-asks a phrase",
            "mean_attempt",
            most=gate.max_mean_attempt + chance,
            column="attempt",
            limit=f"at most {gate.max_mean_attempt:g}",
            chance=f"+{chance:.2f}" if chance >= 0.005 else "",
            format=decimal_in_words,
        ),
    ]
    if figures.metrics["tokens_per_char"]:  # some servers report no usage
        checks.append(
            figure_check(
                "tokens a character",
                "tokens_per_char",
                least=gate.min_tokens_per_char,
                most=gate.max_tokens_per_char,
                limit=f"{gate.min_tokens_per_char:g} to {gate.max_tokens_per_char:g}",
                format=decimal_in_words,
            )
        )
    return checks
