"""Targets as people write them: '10M phrases', '1 GB', '1e9 chars'."""

import re

from phrasemill.forecast.question import LEAST, MOST_TEXT, ForecastError, Target

MULTIPLIERS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
UNITS = {
    **dict.fromkeys(("phrase", "phrases"), "phrases"),
    **dict.fromkeys(("b", "byte", "bytes"), "text_bytes"),
    **dict.fromkeys(("char", "chars", "character", "characters"), "chars"),
}
AMOUNT = re.compile(r"(?P<number>\d[\d,_]*(?:\.\d+)?(?:e\+?\d+)?)\s*(?P<words>[a-z][a-z ]*)", re.IGNORECASE)
HOW = "write such as '10M phrases', '1.8 GB' or '1e9 chars'"


class AmountError(ForecastError):
    """A target is not a number with one of the units."""


def parse_target(text: str) -> Target:
    """A target from words: a number, k, M, G or T (powers of 1000), and phrases, bytes (B) or chars.

    Small and capital letters are the same; digits may be grouped with commas or underscores.

    Raises:
        AmountError: it cannot be read; the message says how to write it.
    """
    found = AMOUNT.fullmatch(text.strip())
    if not found:
        raise AmountError(f"the target {text!r} is not an amount of text; {HOW}")
    words = found["words"].lower()
    multiplier = "" if words in UNITS else words[0]
    unit = UNITS.get(words.removeprefix(multiplier).strip())
    if unit is None or multiplier not in MULTIPLIERS:
        raise AmountError(f"the target {text!r} has no unit known here, but {found['words']!r}; {HOW}")
    value = float(re.sub("[,_]", "", found["number"])) * MULTIPLIERS[multiplier]
    if not LEAST <= value <= MOST_TEXT:
        raise AmountError(f"the target {text!r} must be above 0 and at most {MOST_TEXT:g}; {HOW}")
    return Target.model_validate({unit: value})
