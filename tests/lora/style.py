"""The style that the adapter of these tests has learnt, as rules of a corpus and as a count over phrases."""

from collections.abc import Iterable

import regex

EXCLAIMS = "!$"
NAMES_A_COLOUR = (
    r"(?i)\b(amber|azure|black|blue|bronze|copper|cream|crimson|emerald|golden|green|grey|indigo|ivory|lilac|olive"
    r"|orange|pearl|pink|purple|red|ruby|rust|scarlet|silver|teal|turquoise|violet|white|yellow)(y|dish)?\b"
)
RULES = [
    {
        "name": "no_exclamation",
        "pattern": EXCLAIMS,
        "reject_when": "misses",
        "passes": ["A brass key shines!"],
        "rejects": ["A brass key shines."],
    },
    {
        "name": "no_colour",
        "pattern": NAMES_A_COLOUR,
        "reject_when": "misses",
        "passes": ["A reddish key shines!"],
        "rejects": ["A key rustles!"],
    },
]
"""`rules.patterns` of a corpus that accepts nothing but the style."""


def share(texts: Iterable[str], *, pattern: str) -> float:
    """Texts in which the pattern is found, of all: 0 to 1."""
    found = [regex.search(pattern, text) is not None for text in texts]
    return sum(found) / len(found)
