"""Several phrases from one prompt: how a numbered list is asked for, and how it is taken apart. Pure.

A list shares the prompt's cost among its phrases and costs diversity: they share their lexemes, and a model that has
just written one phrase writes the next one like it (docs/benchmarks.md has the measure of both).
"""

import re

ENTRY = re.compile(r"^[ \t>*-]{0,4}(\d{1,3})[.):][ \t*]*(\S.*)$", re.MULTILINE)
LIST_START = "1."  # the answer's own beginning, put behind the prompt: small models then go on with a list
NUMBER_TOKENS = 4  # a number, its mark, the space and the line's end
REQUESTS = {
    "en": (
        "Do the task below {times}, each time differently. Answer with a numbered list from 1 to {count}, "
        "one sentence a line, and nothing else.\n\n"
    ),
    "ru": (
        "Выполни задание ниже {times}, каждый раз по-новому. Ответь нумерованным списком от 1 до {count}, "
        "по одному предложению в строке, и больше ничего не пиши.\n\n"
    ),
}


def list_request(language: str, count: int) -> str:
    """What goes before a template's text so that `count` phrases come back; nothing for one phrase.

    It stands first because it is the same for all prompts, and engines keep shared beginnings.
    """
    return REQUESTS[language].format(count=count, times=_times(language, count)) if count > 1 else ""


def _times(language: str, count: int) -> str:
    if language == "ru":
        return f"{count} раза" if count % 10 in {2, 3, 4} and count % 100 not in {12, 13, 14} else f"{count} раз"
    return f"{count} times"


def list_tokens(max_tokens: int, count: int) -> int:
    """Tokens that an answer of `count` phrases may take, `max_tokens` being what one may."""
    return max_tokens if count == 1 else (max_tokens + NUMBER_TOKENS) * count


def list_entries(answer: str, count: int) -> list[str | None]:
    """The entries 1 to `count` of a numbered list, None where it has none; of two with one number the first.

    The answer goes on from LIST_START; a model may also have begun anew with its own.
    """
    entries: list[str | None] = [None] * count
    found = ENTRY.findall(answer)
    if not found or found[0][0] != "1":
        found = ENTRY.findall(f"{LIST_START} {answer.lstrip()}")
    for number, text in found:
        place = int(number) - 1
        if 0 <= place < count and entries[place] is None:
            entries[place] = text
    return entries
