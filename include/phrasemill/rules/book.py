"""RuleBook: the rules of one corpus, asked in order.

This is the hot path of the mill's process: a typical answer is judged in about 11 us. Hence each rule first asks
something that costs a fraction of a microsecond and clears nearly every phrase, and only then looks closely.
"""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import xxhash

from phrasemill.errors import SpecError
from phrasemill.meta import is_meta
from phrasemill.reject_reasons import REASONS
from phrasemill.rules import characters
from phrasemill.rules.echo import EchoRule
from phrasemill.rules.language import LanguageRule
from phrasemill.rules.packages import check_packages
from phrasemill.rules.patterns import pattern_rule
from phrasemill.rules.phrase import Phrase
from phrasemill.rules.plugins import plugin_rule
from phrasemill.rules.repetition import repeats_itself, tell_repetition
from phrasemill.rules.rule import Rule
from phrasemill.rules.thinking import after_thinking, may_think
from phrasemill.sentences import first_sentence
from phrasemill.spec import CorpusSpec

HEAD_CHARS = 2000  # a phrase is looked for in the head of an answer; 100 kB answers cost no more than this


class Verdict(NamedTuple):
    """What the rules say of one answer: the text they accept, or (as far as it was found) reject."""

    text: str
    reason: str | None
    text_hash: int = 0


class Told(NamedTuple):
    """What one rule says of an answer, for people. `verdict` is 'not asked' after a rule that leaves no sentence."""

    rule: str
    verdict: Literal["passes", "rejects", "off", "not asked"]
    told: str = ""


class RuleBook:
    """The rules of one corpus.

    Raises:
        SpecError: a plugin that the corpus names is not installed, or in another version.
        PluginFailed: a plugin cannot be made; `judge` raises it, too, when a plugin's check fails.
    """

    def __init__(self, spec: CorpusSpec) -> None:
        self._spec = spec
        self._max_chars = spec.rules.max_chars
        self._off = frozenset(spec.rules.off)
        self._asks_mojibake = "mojibake" not in self._off
        self.rules = _rules_of(spec)
        """The rules that look at a sentence, in the order in which they are asked, those that are off among them."""
        on = [rule for rule in self.rules if rule.name not in self._off]
        self._checks: tuple[tuple[str, Callable[[Phrase], bool]], ...] = tuple((r.name, r.objects) for r in on)

    def judge(self, answer: str) -> Verdict:
        """Judge one answer; `reason` is None for an accepted one.

        Raises:
            PluginFailed, PatternTooSlow: a rule of the corpus's own is broken.
        """
        if may_think(answer):
            spoken = after_thinking(answer)
            if spoken is None:
                return Verdict(answer[: self._max_chars], "thinking")
            answer = spoken
        head = answer[:HEAD_CHARS]
        if not head or head.isspace():
            return Verdict("", "empty")
        if not characters.is_usual(head) and (reason := self._damage(head)):
            return Verdict(head[: self._max_chars], reason)
        sentence = first_sentence(head)
        if sentence is None:
            return Verdict(head[: self._max_chars], "no_sentence")
        phrase = Phrase(sentence)
        for reason, objects in self._checks:
            if objects(phrase):
                return Verdict(sentence, reason)
        return Verdict(sentence, None, xxhash.xxh3_64_intdigest(phrase.encoded))

    def explain(self, answer: str) -> tuple[Verdict, list[Told]]:
        """The verdict, and what each rule says, also those after the first that rejects."""
        verdict = self.judge(answer)
        return verdict, list(self._tell(answer))

    def _tell(self, answer: str) -> Iterator[Told]:
        spoken = after_thinking(answer)
        yield Told(
            "thinking", "rejects" if spoken is None else "passes", "cut off" if spoken not in {None, answer} else ""
        )
        head = (answer if spoken is None else spoken)[:HEAD_CHARS]
        empty = not head.strip()
        yield Told("empty", "rejects" if empty else "passes")
        broken = characters.BROKEN.search(head)
        yield Told("control_characters", "rejects" if broken else "passes", f"U+{ord(broken[0]):04X}" if broken else "")
        if self._asks_mojibake:
            yield Told("mojibake", "rejects" if self._is_mojibake(head) else "passes")
        else:
            yield Told("mojibake", "off")
        sentence = None if empty else first_sentence(head)
        yield Told("no_sentence", "passes" if sentence else "rejects", f"found: {sentence}" if sentence else "")
        phrase = Phrase(sentence) if sentence else None
        for rule in self.rules:
            if rule.name in self._off:
                yield Told(rule.name, "off")
            elif phrase is None:
                yield Told(rule.name, "not asked", "there is no sentence")
            else:
                yield Told(rule.name, "rejects" if rule.objects(phrase) else "passes", rule.tells(phrase))

    def _damage(self, head: str) -> str | None:
        if characters.BROKEN.search(head):
            return "control_characters"
        return "mojibake" if self._asks_mojibake and characters.is_mojibake(head) else None

    @staticmethod
    def _is_mojibake(head: str) -> bool:
        return not characters.is_usual(head) and characters.is_mojibake(head)


def check_rules(spec: CorpusSpec) -> None:
    """Find out, before anything is written, whether all rules of a corpus can be asked on this machine.

    Raises:
        SpecError, PluginFailed: a plugin is missing, of another version or broken.
        RulePackageMissing: a rule needs a package that is not installed.
        SpecError: an example shows the model a phrase that these rules reject, with a line for each.
    """
    RuleBook(spec)
    check_packages(spec)
    if spec.prompts.examples:
        _check_examples(spec)


def _check_examples(spec: CorpusSpec) -> None:
    shown = spec.prompts.model_copy(update={"examples": ()})  # or each would be an echo of itself
    judge = RuleBook(spec.model_copy(update={"prompts": shown})).judge
    mistakes = []
    for number, example in enumerate(spec.prompts.examples):
        phrase, reason, _ = judge(example.phrase)
        if stop := next((stop for stop in spec.sampling.stop if stop in example.phrase), None):
            told = f"holds {stop!r}, which ends an answer (sampling.stop); leave it out"
        elif reason:
            told = f"is what the corpus's own rules reject as {reason}; correct the phrase, or the rules"
        elif phrase != example.phrase:
            told = f"is more than a phrase, of which {phrase!r} would be kept; leave the rest out"
        else:
            continue
        mistakes.append(f"corpus {spec.name!r}: prompts.examples[{number}].phrase: {example.phrase!r} {told}")
    if mistakes:
        raise SpecError("\n".join(mistakes))


def _rules_of(spec: CorpusSpec) -> tuple[Rule, ...]:
    """Cheap rules first; the language model, which takes longer than all others together, last."""
    rules = spec.rules
    script, echo = characters.ScriptRule(spec.language, rules.min_script_share), EchoRule(spec)
    language = LanguageRule(spec.language, rules.min_language_score)
    named = [
        Rule(
            "too_short", _too_short(rules.min_chars, rules.min_words), _lengths, _some(spec, "min_chars", "min_words")
        ),
        Rule("too_long", _too_long(rules.max_chars, rules.max_words), _lengths, _some(spec, "max_chars", "max_words")),
        Rule("contacts", characters.has_contacts, characters.tell_contacts),
        Rule("markup", characters.has_markup),
        Rule("no_capital", characters.lacks_capital),
        Rule("meta", lambda phrase: is_meta(phrase.folded, phrase.distinct)),
        Rule("echo", echo.objects, echo.tells),
        Rule("wrong_script", script.objects, script.tells, _some(spec, "min_script_share")),
        Rule("repetition", repeats_itself, tell_repetition),
        *map(pattern_rule, rules.patterns),
        *(plugin_rule(plugin, spec) for plugin in rules.plugins),
        Rule("wrong_language", language.objects, language.tells, _some(spec, "min_language_score")),
    ]
    return tuple(named)


def _some(spec: CorpusSpec, *names: str) -> dict[str, object]:
    return {name: getattr(spec.rules, name) for name in names}


def _too_short(chars: int, words: int) -> Callable[[Phrase], bool]:
    return lambda phrase: len(phrase.text) < chars or len(phrase.words) < words


def _too_long(chars: int, words: int) -> Callable[[Phrase], bool]:
    return lambda phrase: len(phrase.text) > chars or len(phrase.words) > words


def _lengths(phrase: Phrase) -> str:
    return f"{len(phrase.text)} characters, {len(phrase.words)} words"


def meanings(spec: CorpusSpec) -> dict[str, str]:
    """Reject reasons of a corpus with their meaning, its own patterns' and plugins' among them."""
    own = {rule.name: rule.meaning for rule in _rules_of(spec) if rule.meaning}
    cheap = list(REASONS)[: list(REASONS).index("wrong_language")]
    return {name: REASONS[name] for name in cheap} | own | REASONS
