"""Phrases of a few templates, as a model writes them: alike in stop words and in what the template says."""

import random
from dataclasses import dataclass

from tests.tables import WORDS

TEMPLATES = {
    "en": (
        "The {} {} {} the {} at the {} while {} {} the {} in {} {}.",
        "A {} {} {} and finds the {} near the {}, as {} {} through the {} {}.",
        "In {} {}, the {} {} a {} {} and the {} of the {} {} again.",
    ),
    "ru": (
        "На {} {} у {} стоит {} и {} {}, а {} {} к {} {}.",
        "Каждый {} {} на {} {} и {} {} без {} до {} {}.",
        "Пока {} {} за {}, {} {} не {} о {} и {} {}.",
    ),
}


@dataclass(frozen=True)
class Planted:
    """Texts, and where a phrase was changed a little: of each such its row, the row it was made of, and how."""

    texts: list[str]
    changed: list[tuple[int, int, str]]


def vocabulary(language: str, count: int) -> list[str]:
    draw, words = random.Random(f"words {language}"), dict[str, None]()
    halves = [word for word in WORDS[language] if word.isalpha()]
    while len(words) < count:
        words["".join(draw.choices(halves, k=2))] = None
    return list(words)


def templated(language: str, count: int) -> list[str]:
    """So many phrases of three templates over 3,000 words, of which few are common."""
    draw, words = random.Random(f"texts {language}"), vocabulary(language, 3000)
    weights = [1 / (rank + 3) ** 0.9 for rank in range(len(words))]
    filled = iter(draw.choices(words, weights, k=count * 12))
    templates = TEMPLATES[language]
    gaps = [template.count("{}") for template in templates]
    return [
        templates[row % len(templates)].format(*(next(filled) for _ in range(gaps[row % len(templates)])))
        for row in range(count)
    ]


def planted(language: str, count: int, *, changed: int) -> Planted:
    """Templated texts of which some are others with a word exchanged, two exchanged, one left out or one put in."""
    draw, texts, words = random.Random(f"planted {language}"), templated(language, count), vocabulary(language, 3000)
    rows = draw.sample(range(count), 2 * changed)
    notes = []
    for row, source in zip(rows[:changed], rows[changed:], strict=True):
        pieces, how = texts[source].split(), draw.choice(("exchanged", "two exchanged", "left out", "put in"))
        places = draw.sample(range(len(pieces)), 2)
        if how == "left out":
            del pieces[places[0]]
        elif how == "put in":
            pieces.insert(places[0], draw.choice(words))
        else:
            for place in places[: 1 + (how == "two exchanged")]:
                pieces[place] = draw.choice(words)
        texts[row] = " ".join(pieces)
        notes.append((row, source, how))
    return Planted(texts, notes)
