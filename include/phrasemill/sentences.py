"""The first complete sentence of a model's answer, freed of the wrapping that models put round it."""

import re

# "Scene number 12:", "Answer:", "Сцена номер 3 —" and the like before the sentence itself. A dash alone makes no
# label: "Ответ — тишина." is a sentence.
LABEL = re.compile(
    r"[\[(]?(?:scene|sentence|answer|output|response|caption|phrase|description|result|"
    r"сцена|предложение|ответ|фраза|описание|вариант|результат)"
    r"(?:(?:\s+(?:number|no\.?|номер))?\s*[#№]?\s*\d+\s*(?:[:.)\]—–-]+|\n)|\s*:)\s*",
    re.IGNORECASE,
)
# A sentence ends at its marks and what closes after them, at the end of the text or before white space; but not
# before a small letter, nor before a dash and a small letter ("— Куда? — спросила она."). Runs of marks and of
# spaces are taken whole, so that thousands of them cost no more than their length.
END = re.compile(
    r"[.!?…](?<![.!?…].)[.!?…]*+[\"'”’»)]*+(?=\s++(?!(?:[—–-]\s*)?[a-zа-яё])|\s*+$)",
)
LABELS_TAKEN_OFF = 2  # "Answer: Scene 3: ..."
BLANK_LINE = re.compile(r"\n\s*\n")
EMPHASIS = "*_# \t\r\n"  # stripped round an answer; inside a sentence it is markup
# fmt: off
ABBREVIATIONS = frozenset({
    "mr", "mrs", "ms", "dr", "st", "prof", "vs", "jr", "sr", "capt", "col", "gen", "rev", "mt", "lt", "sgt", "maj",
    "adm", "ave",
    "г", "ул", "кв", "др", "пр", "стр", "св", "проф", "акад", "тов", "руб", "коп", "тыс", "млн",
})
# fmt: on
NUMBERED = frozenset({"no", "nos", "p", "pp", "fig"})  # abbreviations before a number, else words ("She said no.")
INITIALS = re.compile(r"(?:\w\.)+\w")  # U.S., J.R., т.е.
QUOTES = {'"': '"', "“": "”", "«": "»", "„": "“", "'": "'", "‘": "’"}
SPOKEN = re.compile(r"[,.!?…]['’].")  # a closing single quote before the end, not an apostrophe


def first_sentence(answer: str) -> str | None:
    """The first sentence with its closing mark, on one line, its quotes paired; None if there is none."""
    text = _unwrap(answer)
    for match in END.finditer(text):
        if match.end() < len(text) and _abbreviates(text, match):
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
    """Take off quotes round the whole text; a quotation inside it stays."""
    closing = QUOTES.get(text[:1])
    if closing is None or text[-1] != closing:
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
    if bare in NUMBERED:
        return text[match.end() :].lstrip()[:1].isdigit()
    return (
        bare in ABBREVIATIONS
        or (len(bare) == 1 and last_word[-1].isupper())
        or (INITIALS.fullmatch(bare) is not None and bare not in {"a.m", "p.m"})
        or before.isdigit()
    )


def _drop_stray_quote(sentence: str) -> str:
    """Drop a closing quote whose opening one was cut away."""
    last = sentence[-1]
    if last == '"':
        return sentence[:-1] if sentence.count(last) % 2 else sentence
    if (last == "”" and not {"“", "„"} & set(sentence)) or (last == "»" and "«" not in sentence):
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
