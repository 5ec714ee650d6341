"""PhraseRules: what a corpus asks of every phrase, as its file says it."""

from typing import Literal, Self

from pydantic import Field, model_validator

from phrasemill.bounded_pattern import BoundedPattern, pattern_mistake
from phrasemill.facts import ENGINE_REASONS
from phrasemill.fields import Name, Share, StrictModel, Text
from phrasemill.mistakes import Mistakes, Place
from phrasemill.reject_reasons import REASONS, OffRule


class PatternRule(StrictModel):
    """A rule of the corpus's own: a regular expression, searched for in the phrase as it would be stored.

    Letters count by case unless the pattern begins with (?i). `passes` and `rejects` are examples, which are tried
    when the file is checked.
    """

    name: Name
    pattern: Text
    reject_when: Literal["matches", "misses"] = "matches"
    passes: tuple[Text, ...] = ()
    rejects: tuple[Text, ...] = ()


class PluginRule(StrictModel):
    """A rule of an installed package: its name in the entry point group `phrasemill.rules`, the package's version."""

    name: Name
    version: Text


class PhraseRules(StrictModel):
    """What every phrase must be. Lengths count Unicode characters and space-separated words."""

    min_chars: int = Field(default=40, ge=1, le=10_000)
    max_chars: int = Field(default=160, ge=1, le=10_000)
    min_words: int = Field(default=5, ge=1)
    max_words: int = Field(default=40, ge=1)
    min_script_share: Share = 0.9
    min_language_score: Share = 0.3
    """The language model's score of the corpus's language below which a phrase is another one's. Of 20,000 English
    sentences of odd words 0.1 % score less; German, French and Spanish ones under 0.05. Ukrainian and Bulgarian score
    up to 0.4 as Russian, and are known by their own score."""
    max_attempts: int = Field(default=64, ge=1, le=1000)
    off: tuple[OffRule, ...] = ()
    """Built-in rules that are not asked."""
    patterns: tuple[PatternRule, ...] = ()
    plugins: tuple[PluginRule, ...] = ()

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> Self:
        mistakes = Mistakes()
        for what in ("chars", "words"):
            low, high = getattr(self, f"min_{what}"), getattr(self, f"max_{what}")
            if low > high:
                mistakes.add((f"min_{what}",), f"must not be above max_{what}, which is {high}", value=low)
        mistakes.tell()
        return self

    @model_validator(mode="after")
    def _own_rules_are_sound(self) -> Self:
        mistakes = Mistakes()
        taken = {*REASONS, *ENGINE_REASONS}
        names = {"patterns": [rule.name for rule in self.patterns], "plugins": [rule.name for rule in self.plugins]}
        for section, own in names.items():
            for number, name in enumerate(own):
                if name in taken:
                    mistakes.add((section, number, "name"), "names a second rule; call it something else")
                taken.add(name)
        for number, pattern in enumerate(self.patterns):
            self._check_pattern(pattern, ("patterns", number), mistakes)
        mistakes.tell()
        return self

    def _check_pattern(self, pattern: PatternRule, place: Place, mistakes: Mistakes) -> None:
        if mistake := pattern_mistake(pattern.pattern, chars=self.max_chars):
            mistakes.add((*place, "pattern"), mistake)
            return
        search = BoundedPattern(pattern.pattern).search
        for kind, rejected in (("passes", False), ("rejects", True)):
            for number, text in enumerate(getattr(pattern, kind)):
                if ((search(text) is not None) == (pattern.reject_when == "matches")) is not rejected:
                    told = "is rejected by the pattern" if not rejected else "is not rejected by the pattern"
                    mistakes.add((*place, kind, number), f"{told}; mend the pattern or the example")
