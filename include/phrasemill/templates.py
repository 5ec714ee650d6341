"""Templates, and the lexicons that fill their slots."""

import math
import re
from typing import Self

from pydantic import Field, SkipValidation, model_validator

from phrasemill.fields import Name, StrictModel, Text, not_text
from phrasemill.mistakes import Mistakes, Place

MAX_CYCLE = 2**62  # the permutation works on 64-bit words, with two bits to spare
SLOT = re.compile(r"\{([^{}]*)\}")

Lexeme = str | dict[str, str]


class Template(StrictModel):
    """A user message with slots: `{lexicon}`, `{lexicon.form}` and `{i}`, the scene number."""

    name: Name
    weight: int = Field(default=1, ge=1, le=1000)
    text: Text
    required_lexemes: int = Field(default=0, ge=0)
    """How many of its slots' lexemes a phrase must name, in any inflected form."""

    @property
    def slots(self) -> tuple[str, ...]:
        """Slots in the order of the text, `i` left out."""
        return tuple(slot for slot in SLOT.findall(self.text) if slot != "i")


class Example(StrictModel):
    """A phrase as it should be, and the request that it answers: shown to the model before every request."""

    prompt: Text
    phrase: Text


class Prompts(StrictModel):
    """System prompt, examples, templates, and the lexicons that fill their slots."""

    system: Text | None = None
    examples: tuple[Example, ...] = Field(default=(), max_length=16)
    """Earlier turns of the conversation; before a base model, which has none, texts one after the other."""
    scene_phrases: int = Field(default=1, ge=1)
    templates: tuple[Template, ...] = Field(min_length=1)
    # Lexemes are checked below with all else here, so that one that is no text hides no other mistake.
    lexicons: dict[Name, tuple[SkipValidation[Lexeme], ...]]

    @model_validator(mode="after")
    def _templates_and_lexicons_fit(self) -> Self:
        mistakes = Mistakes()
        for name, lexemes in self.lexicons.items():
            _check_lexicon(name, lexemes, mistakes)
        names = [template.name for template in self.templates]
        for number, template in enumerate(self.templates):
            if template.name in names[:number]:
                mistakes.add(("templates", number, "name"), "names a second template; give each its own name")
            self._check_template(template, ("templates", number, "text"), mistakes)
        mistakes.tell()  # before what may only follow from them
        used = {slot.partition(".")[0] for template in self.templates for slot in template.slots}
        for name in self.lexicons.keys() - used - {"i"}:
            mistakes.add(("lexicons", name), "is used by no template; write {" + name + "} in one or remove it")
        mistakes.tell()
        return self

    def _check_template(self, template: Template, place: Place, mistakes: Mistakes) -> None:
        if set("{}") & set(SLOT.sub("", template.text)):
            mistakes.add(place, "has an unpaired brace; write slots as {lexicon}")
        for slot in template.slots:
            if unknown := self._unknown_slot(slot):
                mistakes.add(place, unknown)
        lexicons = [slot.partition(".")[0] for slot in template.slots]
        if not lexicons:
            mistakes.add(place, "has no slot, so all its prompts would be alike; write a {lexicon} into it")
        if template.required_lexemes > len(lexicons):
            told = f"is {template.required_lexemes}, and the template has {len(lexicons)} slots; lower it"
            mistakes.add((*place[:-1], "required_lexemes"), told)
        if twice := sorted({name for name in lexicons if lexicons.count(name) > 1}):
            mistakes.add(place, f"uses lexicon {twice[0]!r} twice; split it into two lexicons")
        if set(lexicons) <= self.lexicons.keys() and self.cycle(template) > MAX_CYCLE:
            mistakes.add(place, "has over 2**62 combinations; use fewer slots")

    def _unknown_slot(self, slot: str) -> str | None:
        """What is wrong with a slot, if it names no lexicon or no form of one."""
        name, _, form = slot.partition(".")
        lexemes = self.lexicons.get(name)
        if lexemes is None:
            known = ", ".join(sorted(self.lexicons)) or "none"
            return f"has slot {{{slot}}}, but there is no lexicon {name!r}; add it, or use one of these: {known}"
        forms = _offered_forms(lexemes)
        if form in forms or not forms:
            return None
        known = ", ".join(f"{{{name}.{offered}}}" if offered else f"{{{name}}}" for offered in forms)
        return f"has slot {{{slot}}}, which that lexicon does not offer; use {known}"

    def cycle(self, template: Template) -> int:
        """How many different slot combinations the template has."""
        return math.prod(len(self.lexicons[slot.partition(".")[0]]) for slot in template.slots)


def lexeme_forms(lexeme: Lexeme) -> tuple[str, ...]:
    """Names of the forms of a lexeme; a plain string has the one form ''."""
    return ("",) if isinstance(lexeme, str) else tuple(lexeme)


def lexeme_base(lexeme: Lexeme) -> str:
    """The form that stands for the lexeme in rows: the string itself, or its first form."""
    return lexeme if isinstance(lexeme, str) else next(iter(lexeme.values()))


def _check_lexicon(name: str, lexemes: tuple[Lexeme, ...], mistakes: Mistakes) -> None:
    if name == "i":
        mistakes.add(("lexicons", name), "is the scene number's slot; call the lexicon something else")
    if not lexemes:
        mistakes.add(("lexicons", name), "is empty; give it at least one entry")
    forms = _offered_forms(lexemes)
    known: dict[str, int] = {}
    for number, lexeme in enumerate(lexemes):
        place = ("lexicons", name, number)
        if not_texts := _not_texts(lexeme):
            for form, word in not_texts.items():
                mistakes.add((*place, form) if form else place, not_text(word))
        elif not lexeme or not all(word.strip() for word in _words(lexeme).values()):
            mistakes.add(place, "is an empty entry; remove it or write it out")
        elif lexeme_forms(lexeme) != forms:
            mistakes.add(place, f"must have {_told_forms(forms)}, as the lexicon's first entry has")
        elif (same := known.setdefault(lexeme_base(lexeme).casefold(), number)) != number:
            mistakes.add(place, f"repeats entry [{same}], {lexeme_base(lexemes[same])!r}; remove one of them")


def _words(lexeme: Lexeme) -> dict[str, str]:
    return lexeme if isinstance(lexeme, dict) else {"": lexeme}


def _not_texts(lexeme: Lexeme) -> dict[str, object]:
    """By form, what YAML read as no text: a lexeme `no` is false, 1984 a number."""
    return {str(form): word for form, word in _words(lexeme).items() if not isinstance(word, str)}


def _offered_forms(lexemes: tuple[Lexeme, ...]) -> tuple[str, ...]:
    """The forms of a lexicon, which are those of its first sound lexeme; () if it has none."""
    return next((lexeme_forms(lexeme) for lexeme in lexemes if lexeme and not _not_texts(lexeme)), ())


def _told_forms(forms: tuple[str, ...]) -> str:
    return "no forms (plain text)" if forms == ("",) else f"the forms {', '.join(forms)}, in this order"
