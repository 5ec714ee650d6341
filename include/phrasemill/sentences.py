"""The first complete sentence of a model's answer, freed of the wrapping that models put round it."""

import re

# "Scene number 12:", "Answer:", "Сцена номер 3 —" and the like before the sentence itself. A dash alone makes no
# label: "Ответ — тишина." is a sentence.
LABEL = re.compile(
    r"[\[(]?(?:(?:final|итоговый|окончательный)\s+)?(?:scene|sentence|answer|output|response|caption|phrase|description|result|"
    r"сцена|предложение|ответ|фраза|описание|вариант|результат)"
    r"(?:(?:\s+(?:number|no\.?|номер))?\s*[#№]?\s*\d+\s*(?:[:.)\]—–-]+|\n)|\s*:)\s*",
    re.IGNORECASE,
)
# A sentence ends at its marks and what closes after them, at the end of the text or before white space; but not
# before a small letter, nor before a dash and a small letter ("— Куда? — спросила она."). Runs of marks and of
# spaces are taken whole, so that thousands of them cost no more than their length.
END = re.compile(
    r"[.!?…](?<![.!?…].)[.!?…]*+[\"'”“’»)]*+(?=\s++(?!(?:[—–-]\s*)?[a-zа-яё])|\s*+$)",
)
NAMED_WITHIN = 40  # characters before "им" in which what is named stands
LABELS_TAKEN_OFF = 2  # "Answer: Scene 3: ..."
BLANK_LINE = re.compile(r"\n\s*\n")
EMPHASIS = "*_# \t\r\n"  # stripped round an answer; inside a sentence it is markup
# fmt: off
ABBREVIATIONS = frozenset({
    "mr", "mrs", "ms", "dr", "st", "prof", "vs", "jr", "sr", "capt", "col", "gen", "rev", "mt", "lt", "sgt", "maj",
    "adm", "ave", "messrs", "mme", "mlle", "fr", "gov", "sen", "hon", "cpl", "pvt",
    "г", "гг", "ул", "пер", "пл", "просп", "наб", "бул", "кв", "корп", "др", "пр", "стр", "св", "проф", "акад", "доц",
    "кн", "гр", "тов", "дж", "вс", "ст", "гл", "оз", "пос", "обл", "руб", "коп", "тыс", "млн", "млрд",
    "инж", "арх", "лейт",
    # one small letter, of which only "я" ends a sentence: д. Иваново, о. Сергий, р. Волга, с. Михайловское
    "д", "о", "р", "с",
})
# fmt: on
# Abbreviations before a number, else words ("She said no.").
NUMBERED = frozenset({"no", "nos", "p", "pp", "fig", "vol", "т", "п", "ч", "рис", "тел", "ок", "см"})
INITIALS = re.compile(r"(?:\w\.)+\w")  # U.S., J.R., т.е.
SPACED = re.compile(r"т\. ?[екн]")  # т. е., т. к., т. н.
ETC = re.compile(r"\bт\. ?[дп]$")  # "и т. д." and "и т. п." end a sentence when a capital letter follows
# "Им" is a pronoun ("Он помог им."), but an abbreviation after what is named in honour of somebody.
NAMED_AFTER = re.compile(
    r"\b(?:завод|фабри|парк|сад|театр|библиоте|музе|клуб|дом|двор[ец]|колхоз|совхоз|школ|училищ|институт|университет|"
    r"академи|консерватори|больниц|стадион|канал|метро|площад|пароход|теплоход|преми|отдыха|балета)\w* им",
    re.IGNORECASE,
)
INITIAL = re.compile(r"\s+[А-ЯЁ]\.")
GOES_ON_SPEAKING = re.compile(r"[ \t]+[—–] ?[^\W\d_]")  # "— Пора, — сказал он. — Поезд уходит."
AUTHOR = re.compile(r"«[^—–«»]+[,.!?…] [—–] [а-яё][^—–«»]*[,.:!?…] [—–] ")  # «Ну, — сказал он, — пора.»
QUOTES = {'"': '"', "“": "”", "«": "»", "„": "“", "'": "'", "‘": "’"}
SPOKEN = re.compile(r"[,.!?…]['’].")  # a closing single quote before the end, not an apostrophe


def first_sentence(answer: str) -> str | None:
    """The first sentence with its closing mark, on one line, its quotes paired; None if there is none."""
    text = _unwrap(answer)
    for match in END.finditer(text):
        if match.end() < len(text) and (_abbreviates(text, match) or _goes_on_speaking(text, match)):
            continue
        sentence = _drop_stray_quote(text[: match.end()])
        if _is_open(sentence):
            continue
        if not sentence.isprintable() or "  " in sentence:
            if BLANK_LINE.search(sentence):  # a title stands before it
                return None
            sentence = " ".join(sentence.split())
        return _unquote(sentence)
    return None


def _unwrap(answer: str) -> str:
    text = answer.strip(EMPHASIS)
    for _ in range(LABELS_TAKEN_OFF):
        label = LABEL.match(text)
        if label is None:
            break
        text = text[label.end() :].lstrip(EMPHASIS)
    text = _unquote(text)
    if text[:1] in {'"', "“", "«", "„"} and QUOTES[text[0]] not in text[1:]:
        text = text[1:]  # a quotation that the engine never closed
    return text


def _unquote(text: str) -> str:
    """Take off quotes round the whole text; a quotation inside it stays, and quotes round the author's words, too."""
    closing = QUOTES.get(text[:1])
    if closing is None or text[-1] != closing or (closing == "»" and AUTHOR.match(text)):
        return text
    if closing in {"'", "’"}:
        return text if SPOKEN.search(text) else text[1:-1]
    return text[1:-1] if text.find(closing, 1) == len(text) - 1 else text


def _abbreviates(text: str, match: re.Match[str]) -> bool:
    """Whether the full stop belongs to an abbreviation, an initial or the number of a list entry."""
    if match.group() != ".":
        return False
    before = text[: match.start()]
    last_word = before.rsplit(None, 1)[-1] if before else ""
    bare = last_word.lstrip("\"'“”«„‘(").lower()
    if len(bare) == 1 and last_word[-1].isupper():  # an initial, P. too
        return True
    if bare in NUMBERED:
        return text[match.end() :].lstrip()[:1].isdigit()
    return (
        (bare in ABBREVIATIONS and ETC.search(before) is None)
        or (INITIALS.fullmatch(bare) is not None and bare not in {"a.m", "p.m"})
        or before.isdigit()
        or (bare in {"е", "к", "н"} and SPACED.fullmatch(before[-4:].lower()) is not None)
        or (bare == "им" and bool(INITIAL.match(text, match.end()) or NAMED_AFTER.search(before[-NAMED_WITHIN:])))
    )


def _goes_on_speaking(text: str, match: re.Match[str]) -> bool:
    """Whether one speaker's words, begun with a dash, go on after the author's."""
    return text[0] in "—–" and "— " in text[1 : match.start()] and GOES_ON_SPEAKING.match(text, match.end()) is not None


def _drop_stray_quote(sentence: str) -> str:
    """Drop a closing quote whose opening one was cut away."""
    last = sentence[-1]
    if last == '"':
        return sentence[:-1] if sentence.count(last) % 2 else sentence
    if (last in {"”", "“"} and not {"“", "„"} & set(sentence)) or (last == "»" and "«" not in sentence):
        return sentence[:-1]
    return sentence


def _is_open(sentence: str) -> bool:
    """Whether a quotation or a bracket begins in the sentence and does not end in it."""
    if "„" in sentence:
        return sentence.count("„") > sentence.count("“") + sentence.count("”")
    return (
        ('"' in sentence and sentence.count('"') % 2 == 1)
        or ("“" in sentence and sentence.count("“") > sentence.count("”"))
        or ("«" in sentence and sentence.count("«") > sentence.count("»"))
        or ("(" in sentence and sentence.count("(") > sentence.count(")"))
    )
