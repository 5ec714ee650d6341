"""Checks of the corpus gate: what a whole release must be, asked of its figures. Pure.

Shares are widened by what chance explains in a release, or a sample, of this size; laws of words and distinct-n are
not: a small text is livelier than a large one, so it never fails them by chance.
"""

import math

from phrasemill.gate.checks import (
    STANDARD_ERRORS,
    Check,
    count_in_words,
    decimal_in_words,
    figure_check,
    share_at_least,
    share_at_most,
    share_error,
    with_severities,
)
from phrasemill.gate.figure_checks import distinct_checks, language_check, slots_check
from phrasemill.release.figures import ReleaseFigures
from phrasemill.release.plan import ReleasePlan
from phrasemill.spec import CorpusSpec

LAWS = (
    ("growth of the vocabulary (Heaps)", "heaps_exponent"),
    ("frequency of words by rank (Zipf)", "zipf_slope"),
    ("lexical diversity (MTLD)", "mtld"),
)

NEAR = (("dropped as near-duplicates", "near_duplicate_share"), ("near-duplicates left", "near_duplicates_left"))


def release_checks(
    plan: ReleasePlan, figures: ReleaseFigures, *, spec: CorpusSpec, kept: int, committed_bytes: int
) -> list[Check]:
    """What the corpus wants asked of a release, the gravest first; what cannot be asked is left out.

    Args:
        plan: of the release, with its thresholds.
        figures: of the release.
        spec: the corpus.
        kept: phrases that are unique, up to the target.
        committed_bytes: UTF-8 bytes of all texts of the plan's shards.
    """
    checks = [
        *_whole(plan, figures, kept=kept, committed_bytes=committed_bytes),
        *_duplicates(plan, figures),
        *_coverage(plan, figures),
        language_check(spec.language, least=plan.settings.gate.min_language_share, found=figures.languages),
        *_words(plan),
    ]
    asked = [check for check in checks if check.arguments["column"] in figures.known]
    return with_severities(asked, plan.settings.gate)


def not_asked(plan: ReleasePlan, figures: ReleaseFigures) -> dict[str, str]:
    """Expectations that cannot be asked of this release, with the reason; those switched off left out."""
    names = {figure: name for name, figure in (*LAWS, *NEAR)}
    severity_of = plan.settings.gate.severity_of
    return {
        names[figure]: why
        for figure, why in figures.unknown.items()
        if figure in names and severity_of(names[figure]) != "off"
    }


def _whole(plan: ReleasePlan, figures: ReleaseFigures, *, kept: int, committed_bytes: int) -> list[Check]:
    phrases = max(1, kept) if plan.partial else plan.target
    dropped = plan.phrases - int(figures.known["phrases"])
    # Who is left out has one byte at least; a release of all committed phrases has all of their bytes.
    least_bytes, most_bytes = (phrases, committed_bytes - dropped) if dropped > 0 else (committed_bytes,) * 2
    return [
        _exactly("phrases in the release", "phrases", phrases, "all that are unique" if plan.partial else "the target"),
        _none("files of one length", "uneven_files", "every file has as many rows as lines and hashes"),
        _none("phrase ids are in place", "misplaced_ids", "ids as the plan has them, none twice"),
        _none("texts are unique in the release", "exact_duplicates", "every text once, case and spaces folded"),
        _none("text_hash belongs to the text", "wrong_hashes", "what the text hashes to, in the sample"),
        _identity(
            "bytes of text",
            "text_bytes",
            least=least_bytes,
            most=most_bytes,
            limit=f"{least_bytes} to {most_bytes}" if dropped > 0 else f"exactly {committed_bytes}",
        ),
    ]


def _identity(name: str, figure: str, *, least: float, most: float, limit: str) -> Check:
    return figure_check(name, figure, least=least, most=most, limit=limit, format=count_in_words, identity=True)


def _exactly(name: str, figure: str, count: int, meaning: str) -> Check:
    return _identity(name, figure, least=count, most=count, limit=f"exactly {count}: {meaning}")


def _none(name: str, figure: str, limit: str) -> Check:
    return _identity(name, figure, least=0, most=0, limit=f"0: {limit}")


def _duplicates(plan: ReleasePlan, figures: ReleaseFigures) -> list[Check]:
    gate, known = plan.settings.gate, figures.known
    exact, near, left = gate.max_exact_duplicate_share, gate.max_near_duplicate_share, gate.max_near_duplicates_left
    return [
        share_at_most(
            "dropped as exact duplicates",
            "exact_duplicate_share",
            exact,
            chance=share_error(exact, sample=plan.phrases),
            note=" of committed phrases",
        ),
        share_at_most(
            "dropped as near-duplicates",
            "near_duplicate_share",
            near,
            chance=share_error(near, sample=plan.phrases),
            note=" of committed phrases",
        ),
        share_at_most(
            "near-duplicates left",
            "near_duplicates_left",
            left,
            # Of n sampled phrases n * left * share_sampled are found, give or take the square root of it.
            chance=STANDARD_ERRORS * math.sqrt(left / max(1.0, known["sampled_phrases"] * figures.share_sampled)),
            note=f", reckoned from {count_in_words(known['sampled_phrases'])} phrases",
        ),
    ]


def _coverage(plan: ReleasePlan, figures: ReleaseFigures) -> list[Check]:
    gate, found = plan.settings.gate, figures.vocabulary
    return [
        share_at_least(
            "template coverage",
            "template_coverage",
            gate.min_template_coverage,
            chance=_templates_chance(gate.min_template_coverage, prompts=found.rarest_prompts),
            of="of what each template's weight gives it",
        ),
        slots_check(gate.min_slot_coverage, chance=found.slots_chance, lexemes=found.lexemes, missing=found.missing),
    ]


def _templates_chance(least: float, *, prompts: float) -> float:
    """What chance takes from a template of so many prompts: which of them are dropped, and where their turn breaks off.

    How many it is given is no matter of chance: templates take turns in a fixed pattern.
    """
    return min(least, share_error(least, sample=prompts) + 1 / max(1.0, prompts))


def _words(plan: ReleasePlan) -> list[Check]:
    gate = plan.settings.gate
    limits: dict[str, tuple[float, float | None]] = {
        "heaps_exponent": (gate.min_heaps_exponent, None),
        "zipf_slope": (gate.min_zipf_slope, gate.max_zipf_slope),
        "mtld": (gate.min_mtld, None),
    }
    laws = []
    for name, figure in LAWS:
        least, most = limits[figure]
        limit = f"at least {least:g}" if most is None else f"{least:g} to {most:g}"
        laws.append(figure_check(name, figure, least=least, most=most, limit=limit, format=decimal_in_words))
    return [*distinct_checks({1: gate.min_distinct_1, 2: gate.min_distinct_2, 3: gate.min_distinct_3}), *laws]
