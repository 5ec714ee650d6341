"""Phrase rules: an engine's answer -> an accepted text, or the name of the rule that rejects it. Pure.

The first rule that objects names the reject. Document heuristics (C4, Gopher, FineWeb) misfire on 100 characters, so
these are made for single sentences.
"""

from phrasemill.reject_reasons import REASONS
from phrasemill.rules.book import HEAD_CHARS, RuleBook, Told, Verdict, check_rules, meanings
from phrasemill.rules.characters import BROKEN
from phrasemill.rules.phrase import fold, text_hash

__all__ = [
    "BROKEN",
    "HEAD_CHARS",
    "REASONS",
    "RuleBook",
    "Told",
    "Verdict",
    "check_rules",
    "fold",
    "meanings",
    "text_hash",
]
