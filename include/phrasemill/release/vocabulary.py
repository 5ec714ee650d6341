"""Vocabulary: templates and lexemes that a release has, of those that so many phrases can be expected to have. Pure.

A template's phrases are those that its weight gives it. Its prompts walk all combinations of its lexicons in an order
that looks random, so a lexeme among L is missing from m prompts with a chance of (1 - 1/L)**m: small releases lack
many lexemes, and that is no fault. Walks never repeat a combination, so a little less is missing than this says.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from phrasemill.gate.checks import STANDARD_ERRORS
from phrasemill.spec import CorpusSpec
from phrasemill.templates import lexeme_base

SURE = 0.95
"""Chance of a lexeme from which on it is told by name that it is missing."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a release covers. Shares are of 1."""

    templates: float
    """The least of: phrases of a template, of those that its weight gives it."""
    rarest_prompts: float
    """Prompts of the rarest template that its weight gives it."""
    slots: float
    """Lexemes with a phrase, of those to be expected; 1 where there are more."""
    slots_chance: float
    """How much of it a good release of this size may lack."""
    lexemes: int
    """How many are to be expected."""
    missing: tuple[str, ...]
    """Lexemes without a phrase that chance does not explain, as 'lexicon: lexeme'; the most expected ones first."""


def vocabulary_of(
    templates: Mapping[str, int], lexemes: Mapping[str, Mapping[str, int]], *, spec: CorpusSpec
) -> Vocabulary:
    """Compare what a release has with what its corpus file gives so many phrases.

    Args:
        templates: phrases of each template.
        lexemes: by lexicon, phrases of each lexeme, in its base form.
        spec: gives templates, weights and lexicons.
    """
    phrases = sum(templates.values())
    prompts = phrases / spec.sampling.group
    weights = {template.name: template.weight for template in spec.prompts.templates}
    shares = {name: weight / sum(weights.values()) for name, weight in weights.items()}
    there = _chances(spec, prompts=prompts, shares=shares)
    absent = [
        (-chance, f"{name}: {base}")
        for name, chance in there.items()
        for base in map(lexeme_base, spec.prompts.lexicons[name])
        if not lexemes.get(name, {}).get(base)
    ]
    sizes = {name: len(spec.prompts.lexicons[name]) for name in there}
    expected = sum(chance * sizes[name] for name, chance in there.items())
    spread = math.sqrt(sum(chance * (1 - chance) * sizes[name] for name, chance in there.items()))
    found = sum(sizes.values()) - len(absent)
    return Vocabulary(
        templates=min(templates.get(name, 0) / max(1.0, phrases * share) for name, share in shares.items()),
        rarest_prompts=min(shares.values()) * prompts,
        slots=min(1.0, found / max(expected, 1e-9)),
        slots_chance=STANDARD_ERRORS * spread / max(expected, 1e-9),
        lexemes=round(expected),
        missing=tuple(words for chance, words in sorted(absent) if -chance >= SURE),
    )


def _chances(spec: CorpusSpec, *, prompts: float, shares: Mapping[str, float]) -> dict[str, float]:
    """By lexicon, the chance that one lexeme of it is in any of so many prompts."""
    without = dict.fromkeys(spec.prompts.lexicons, 1.0)
    for template in spec.prompts.templates:
        for slot in template.slots:
            name = slot.partition(".")[0]
            size = len(spec.prompts.lexicons[name])
            without[name] *= (1 - 1 / size) ** (prompts * shares[template.name])
    return {name: 1 - chance for name, chance in without.items()}
