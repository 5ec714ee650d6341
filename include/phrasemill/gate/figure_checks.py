"""Checks on the figures of a whole shard. Pure.

Most limits are widened by what chance explains in a shard of this size; distinct-n and compression are not: a small
shard repeats itself less than a large one, so it never fails them by chance.
"""

from typing import Any

from phrasemill.gate.checks import Check, decimal_in_words, share_in_words
from phrasemill.gate.coverage import LEXEMES_NAMED
from phrasemill.gate.metrics import Figures
from phrasemill.gate.words import WINDOW
from phrasemill.spec import CorpusSpec

NGRAMS = {1: "words", 2: "word pairs", 3: "word triples"}


def figure_checks(spec: CorpusSpec, *, figures: Figures, judged: int) -> list[Check]:
    """What holds for a shard as a whole: coverage, texts, what it took."""
    return [
        *_coverage(spec, figures),
        _language(spec, figures),
        _near_duplicates(spec, figures),
        *_lengths(spec, figures),
        _opening(spec, figures),
        *_diversity(spec),
        *_effort(spec, figures=figures, judged=judged),
    ]


def _figure(name: str, metric: str, **words: Any) -> Check:  # noqa: ANN401
    """A check on one metric: give it least or most, limit and format."""
    least, most = words.pop("least", None), words.pop("most", None)
    limits = {name: value for name, value in (("min_value", least), ("max_value", most)) if value is not None}
    return Check(
        name=name,
        expectation="ExpectColumnValuesToBeBetween",
        arguments={"column": metric, **limits},
        frame="figures",
        **words,
    )


def _at_most(name: str, metric: str, limit: float, *, chance: float, **words: Any) -> Check:  # noqa: ANN401
    return _figure(
        name,
        metric,
        most=limit + chance,
        limit=f"at most {share_in_words(limit)}",
        chance=f"+{share_in_words(chance)}" if chance >= 0.0005 else "",
        format=share_in_words,
        **words,
    )


def _coverage(spec: CorpusSpec, figures: Figures) -> list[Check]:
    gate, coverage = spec.gate, figures.coverage
    missing = ", ".join(repr(lexeme) for lexeme in coverage.missing[:LEXEMES_NAMED])
    more = len(coverage.missing) - LEXEMES_NAMED
    chance = coverage.slots_chance
    return [
        _figure(
            "template coverage",
            "template_coverage",
            least=gate.min_template_coverage,
            column="template",
            limit=f"at least {share_in_words(gate.min_template_coverage)} of each template's planned phrases",
            format=share_in_words,
        ),
        _figure(
            "slot coverage",
            "slot_coverage",
            least=gate.min_slot_coverage - chance,
            column="slots",
            limit=f"at least {share_in_words(gate.min_slot_coverage)} of the {coverage.lexemes} planned lexemes",
            chance=f"-{share_in_words(chance)}" if chance >= 0.0005 else "",
            format=share_in_words,
            note=f" (without {missing}{f' and {more} more' if more > 0 else ''})" if missing else "",
        ),
    ]


def _language(spec: CorpusSpec, figures: Figures) -> Check:
    least, asked = spec.gate.min_language_share, figures.languages.asked
    chance = figures.share_error(least, sample=asked)
    others = [f"{name} {count}" for name, count in figures.languages.counts.items() if name != spec.language]
    return _figure(
        "language of the texts",
        "language_share",
        least=least - chance,
        column="text",
        limit=f"at least {share_in_words(least)} read as {spec.language}",
        chance=f"-{share_in_words(chance)}" if chance >= 0.0005 else "",
        format=share_in_words,
        note=f" of {asked} asked about" + (f" (others: {', '.join(others[:3])})" if others else ""),
    )


def _near_duplicates(spec: CorpusSpec, figures: Figures) -> Check:
    limit = spec.gate.max_near_duplicate_share
    chance = figures.share_error(limit, sample=figures.metrics["rows"])
    note = " share 70 % of their words with an earlier one"
    return _at_most("near-duplicate phrases", "near_duplicate_share", limit, chance=chance, column="text", note=note)


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
        _figure(
            "characters of the shortest phrases (p05)",
            "p05_chars",
            least=gate.shortest - low,
            column="text",
            limit=f"at least {gate.shortest:g}",
            chance=f"-{low:g}" if low else "",
            format=decimal_in_words,
        ),
        _figure(
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
    return _at_most(
        "share of the most common opening",
        "top_opening_share",
        limit,
        chance=figures.share_error(limit, sample=figures.metrics["rows"]),
        column="text",
        note=f" ({figures.top_opening[:40]!r})",
    )


def _diversity(spec: CorpusSpec) -> list[Check]:
    gate = spec.gate
    least = {1: gate.min_distinct_1, 2: gate.min_distinct_2, 3: gate.min_distinct_3}
    return [
        *(
            _figure(
                f"distinct {words} (distinct-{n})",
                f"distinct_{n}",
                least=least[n],
                column="text",
                limit=f"at least {share_in_words(least[n])} in {WINDOW} phrases",
                format=share_in_words,
            )
            for n, words in NGRAMS.items()
        ),
        _figure(
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
        _at_most(
            "share of outputs rejected",
            "reject_share",
            gate.max_reject_share,
            chance=figures.share_error(gate.max_reject_share, sample=judged),
        ),
        _figure(
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
            _figure(
                "tokens a character",
                "tokens_per_char",
                least=gate.min_tokens_per_char,
                most=gate.max_tokens_per_char,
                limit=f"{gate.min_tokens_per_char:g} to {gate.max_tokens_per_char:g}",
                format=decimal_in_words,
            )
        )
    return checks
