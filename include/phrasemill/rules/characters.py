"""Rules on characters: broken Unicode, mojibake, markup, contacts, script.

Each begins with a test that costs a fraction of a microsecond and clears nearly every phrase.
"""

import re
import string

from phrasemill.rules.packages import rule_package
from phrasemill.rules.phrase import Phrase

BROKEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ue000-\uf8ff\ufeff\ufff0-\uffff\U000e0000-\U000e0fff]"
)
# Every broken character, and every mojibake, has one that is not among these.
UNUSUAL = re.compile(r"[^ -~\t\n\rА-яЁё«»„“”‘’…—–№°é]")
CP1251_LEADS = re.compile(r"(?:[РС][^\x00-\x7f]){3}")  # UTF-8 Russian read as cp1251: "РџСЂРёРІ"
MARKUP_CHARACTERS = re.compile(r"[\[\]{}|\\<>*_^`@]")
MARKUP_PAIRS = re.compile(r"&(?:[a-z]{2,6}|#\d+);|#[^\W\d]|~~|==")  # alone, each of & # ~ = is but a sign
LIST_ENTRY = re.compile(r"(?:[-•·]|\d+[.)])\s")
E_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
PHONE_DIGITS = 7
PHONE = re.compile(
    r"""(?<![\w.,:/-])(?:
    \+\d[\d\s().-]{6,}\d                                        # +44 20 7946 0958
    | \(\d{2,5}\)[\s-]?\d{2,4}[\s.-]?\d{2,4}(?:[\s.-]\d{2})?    # (555) 123-4567, (495) 123-45-67
    | [78][\s-]?\(?\d{3}\)?[\s-]?\d{3}[\s-]?\d{2}[\s-]?\d{2}    # 8 (912) 345-67-89
    | 0\d{2,4}[\s-]\d{3,4}[\s-]\d{3,4}                          # 020 7946 0958
    | \d{3}[\s.-]\d{3}[\s.-]\d{4}                               # 555 123 4567
    | \d{3}-\d{4}                                               # 555-0123
    | \d{3}-\d{2}-\d{2}                                         # 123-45-67
    | \d{10,12}
    )(?!\w|[-.,:/]\d)""",
    re.VERBOSE,
)
DIGITS = string.digits.encode()
# In folded UTF-8, a byte of these is one letter of the script: a to z; the first bytes of U+0400 to U+047F.
TELLING_BYTES = {"en": string.ascii_lowercase.encode(), "ru": b"\xd0\xd1"}
LETTERS = {"en": re.compile(r"[A-Za-zÀ-ɏ]"), "ru": re.compile(r"[\u0400-\u047f]")}
MIN_LETTER_SHARE = 0.7
BEFORE_CAPITAL = "\"'“«„‘(—–… "
# Look-alikes of the other script within a word, as in "cтарый" with a Latin c, or in place of a whole word of one
# letter ("c моря"). A Latin capital stands alone in names too ("витамин C"), so it is one only where a text begins.
MIXED = re.compile(r"[a-z][\u0400-\u052f]|[\u0400-\u052f][a-z]", re.IGNORECASE)
LONE = {
    "en": re.compile(r"(?<!\S)[аоАОІі](?!\S)"),
    "ru": re.compile(r"(?<!\S)[aceopxy](?!\S)|^\W*[ABCKOY](?=\s+[А-яЁё])"),
}
# Armenian to Georgian and the scripts of India and Africa, then those of China, Japan and Korea: letters that a model
# falls into. Greek stays ("the α bell"). In UTF-8 each begins with one of the bytes below.
OTHER_SCRIPTS = re.compile("[\u0531-\u1c7f\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]")
OTHER_BYTES = bytes(range(0xD4, 0xE2)) + bytes(range(0xE3, 0xF1))
# Latin words that Russian writes as they are: names (Pink Floyd, Levi's) and Roman numerals. Words that begin with a
# small letter are the model's, gone astray.
NAMES = re.compile(r"(?<![^\W\d_])[A-ZÀ-ÖØ-Þ][A-Za-zÀ-ɏ]*(?:['’][a-z]+)?")
MAX_NAMES_SHARE = 1 / 3
LATIN = string.ascii_letters.encode()


def is_usual(text: str) -> bool:
    """Whether all characters of a text are usual ones; then it is neither broken nor mojibake."""
    return (text.isascii() and text.isprintable()) or UNUSUAL.search(text) is None


def is_mojibake(text: str) -> bool:
    """Whether a text was decoded wrongly, by ftfy's heuristic, and by the look of Russian read as cp1251.

    ftfy's takes 35 to 40 us a phrase: ask only for texts that are not usual, or hold many of cp1251's leads.
    """
    is_bad = rule_package("ftfy.badness", "mojibake").is_bad
    return is_bad(text) or CP1251_LEADS.search(text) is not None


def has_contacts(phrase: Phrase) -> bool:
    """Whether a phrase holds an e-mail address or a telephone number."""
    odd = phrase.odd
    return len(odd) > 0 and _contact(phrase) is not None


def tell_contacts(phrase: Phrase) -> str:
    """The address or number, masked."""
    found = _contact(phrase)
    return f"{found[0][:2]}…" if found else ""


def _contact(phrase: Phrase) -> re.Match[str] | None:
    odd = phrase.odd
    if b"@" in odd and (found := E_MAIL.search(phrase.text)):
        return found
    if len(odd) - len(odd.translate(None, DIGITS)) >= PHONE_DIGITS:
        return PHONE.search(phrase.text)
    return None


def has_markup(phrase: Phrase) -> bool:
    """Whether a phrase holds a link, HTML, markdown, brackets, or is an entry of a list."""
    folded = phrase.folded
    if phrase.odd and (MARKUP_CHARACTERS.search(folded) or MARKUP_PAIRS.search(folded)):
        return True
    if "http" in folded or "www." in folded:
        return True
    text = phrase.text
    return not text[0].isalpha() and LIST_ENTRY.match(text) is not None


def lacks_capital(phrase: Phrase) -> bool:
    """Whether a phrase begins with anything but a capital letter, quotes and dashes before it apart."""
    text = phrase.text
    return not (text[0].isupper() or text.lstrip(BEFORE_CAPITAL)[:1].isupper())


class ScriptRule:
    """At least `MIN_LETTER_SHARE` of the characters are letters, and `min_share` of the letters the language's.

    In Russian, Latin names and Roman numerals do not count, up to `MAX_NAMES_SHARE` of the letters. Whatever the share,
    no word mixes Latin and Cyrillic letters, and there is none of `OTHER_SCRIPTS`.
    """

    def __init__(self, language: str, min_share: float) -> None:
        self._letters = LETTERS[language]
        self._lone = LONE[language]
        self._is_russian = language == "ru"
        self._telling_bytes = TELLING_BYTES[language]
        self._min_share = min_share
        self._surely_enough = max(MIN_LETTER_SHARE, min_share)

    def objects(self, phrase: Phrase) -> bool:
        """Whether too few of a phrase's letters are the language's, or too few of its characters letters."""
        encoded = phrase.encoded
        if self._strange(phrase):
            return True
        inked = len(phrase.folded) - len(phrase.words) + 1
        ours = len(encoded) - len(encoded.translate(None, self._telling_bytes))
        if ours >= self._surely_enough * inked:
            return False
        letters, ours, names = self._counts(phrase)
        return letters < MIN_LETTER_SHARE * inked or ours < self._min_share * (letters - names)

    def tells(self, phrase: Phrase) -> str:
        """The counts behind the verdict, or the letters of another script in a word."""
        if strange := self._strange(phrase):
            return f"{strange[0]!r} has a letter of another script"
        letters, ours, names = self._counts(phrase)
        told = f"{letters} letters in {phrase.inked} characters, {ours} of them of the script"
        return f"{told}, {names} of names" if names else told

    def _strange(self, phrase: Phrase) -> re.Match[str] | None:
        encoded = phrase.encoded
        if encoded.isascii():
            return None
        if len(encoded.translate(None, OTHER_BYTES)) != len(encoded) and (found := OTHER_SCRIPTS.search(phrase.text)):
            return found
        # Clears nearly every phrase: English has no other letters than these, Russian none of them.
        if len(encoded.translate(None, LATIN)) == len(encoded):
            return None
        return MIXED.search(phrase.text) or self._lone.search(phrase.text)

    def _counts(self, phrase: Phrase) -> tuple[int, int, int]:
        """Letters, those of the script, and those of names that do not count."""
        text = phrase.text
        letters, ours = sum(map(str.isalpha, text)), len(self._letters.findall(text))
        names = sum(sum(map(str.isalpha, name)) for name in NAMES.findall(text)) if self._is_russian else 0
        return letters, ours, names if names <= MAX_NAMES_SHARE * letters else 0
