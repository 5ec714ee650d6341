"""Rules that a corpus file adds as regular expressions."""

from phrasemill.bounded_pattern import BoundedPattern
from phrasemill.rule_settings import PatternRule
from phrasemill.rules.phrase import Phrase
from phrasemill.rules.rule import Rule


def pattern_rule(pattern: PatternRule) -> Rule:
    """The rule that a pattern of a corpus file makes; its search raises PatternTooSlow."""
    search = BoundedPattern(pattern.pattern).search
    wanted = pattern.reject_when == "matches"

    def tells(phrase: Phrase) -> str:
        found = search(phrase.text)
        return f"matches {found[0]!r}" if found else "does not match"

    return Rule(
        pattern.name,
        lambda phrase: (search(phrase.text) is not None) is wanted,
        tells,
        {"pattern": pattern.pattern, "reject_when": pattern.reject_when},
        f"{'matches' if wanted else 'does not match'} the corpus's pattern {pattern.pattern}",
    )
