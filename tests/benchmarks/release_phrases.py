"""Phrases for measuring releases: sentences around each phrase's own lexemes, with duplicates planted among them.

The corpus has the templates and lexicons of both large corpora, so about half of its phrases are English, half
Russian. A sentence takes the lexemes of its row and fills a frame with words whose frequencies fall as Zipf's law has
them: a few hundred common ones (those of the fake engine) and a long tail of made ones, as names and rare words are in
real text. About 95 characters a phrase.

In every shard but the first, 3 in 100 phrases repeat one of the shard before (half of them in capitals), and 3 in 100
are near-duplicates of one: a word exchanged, two exchanged, one dropped or one put in. Each source is used once. What
was planted is told, so that what a release finds can be held against it.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.engines.fake import lexicons
from phrasemill.planning import shard_of
from phrasemill.prompts import PromptBook
from phrasemill.rows import SCHEMA
from phrasemill.rules import text_hash
from phrasemill.spec import CorpusSpec

EXACT_SHARE = NEAR_SHARE = 0.03
TAIL_WORDS, TAIL_SHARE = 12_000, 0.35
LANGUAGES = ("en", "ru")
WHOLE = {"OPENINGS", "ENDINGS", "PREPOSITIONS", "DETERMINERS"}
"""Parts of a frame that have no tail of made words."""
SYLLABLES = {
    "en": "ka ri mon del sho ber tan lis vor een sta gri pol ham wes cor dar fi lo nes mar ti bra sil ver ul ost",
    "ru": "ка ри мон дел шо бер тан лис вор ин ста гри пол хам вес кор дар фи ло нес мар ти бра сил вер ул ост",
}
FRAMES = {
    "en": (
        "OPENINGS the PERSON_ADJECTIVES PERSONS VERBS 1 PREPOSITIONS the PLACE_ADJECTIVES PLACES ENDINGS",
        "DETERMINERS PERSON_ADJECTIVES PERSONS ADVERBS VERBS the OBJECT_ADJECTIVES OBJECTS with 1 and 2",
        "2 stood PREPOSITIONS the PLACES while the PERSONS VERBS DETERMINERS OBJECT_ADJECTIVES OBJECTS",
        "she ADVERBS VERBS 1 and thought of 2 PREPOSITIONS the PLACE_ADJECTIVES PLACES ENDINGS",
        "OPENINGS 2 lay beside 1 and a PERSON_ADJECTIVES PERSONS VERBS the OBJECT_ADJECTIVES OBJECTS",
    ),
    "ru": (
        "OPENINGS PERSON_ADJECTIVES PERSONS VERBS OBJECTS PLACES ENDINGS и 1",
        "PERSON_ADJECTIVES PERSONS ADVERBS VERBS OBJECT_ADJECTIVES OBJECTS где 1 и 2",
        "2 PLACES пока PERSONS VERBS OBJECT_ADJECTIVES OBJECTS ENDINGS",
        "он ADVERBS VERBS OBJECTS и вспоминал как 1 и 2 PLACES",
        "OPENINGS 2 рядом с нею 1 и PERSON_ADJECTIVES PERSONS VERBS OBJECT_ADJECTIVES OBJECTS",
    ),
}


@dataclass(frozen=True, slots=True)
class Planted:
    """Duplicates that were planted, by the id of the later phrase."""

    exact: npt.NDArray[np.int64]
    """(n, 2): the repeat, the phrase that it repeats."""
    near: npt.NDArray[np.int64]
    """(n, 2): the near-duplicate, the phrase that it was made from; at least 70 % of their words are the same."""


def bilingual_spec(*, phrases: int, shard_phrases: int, **changes: Any) -> CorpusSpec:
    """One corpus with the templates and lexicons of the English and of the Russian one, told apart by their prefix."""
    english, russian = (load_corpus(find_corpus(f"hyperphrases_{language}")) for language in LANGUAGES)
    fields = english.model_dump(mode="json")
    fields["prompts"] |= {"templates": [], "lexicons": {}}
    for language, spec in zip(LANGUAGES, (english, russian), strict=True):
        theirs = spec.model_dump(mode="json")["prompts"]
        for template in theirs["templates"]:
            text = re.sub(r"\{(?!i\})", f"{{{language}_", template["text"])
            fields["prompts"]["templates"].append(template | {"name": f"{language}_{template['name']}", "text": text})
        for name, lexemes in theirs["lexicons"].items():
            fields["prompts"]["lexicons"][f"{language}_{name}"] = lexemes
    fields |= {"name": "bench_release", "target_phrases": phrases, "shard_phrases": shard_phrases, "oversample": 0.0}
    return CorpusSpec.model_validate(fields | changes)


def shard_rows(spec: CorpusSpec, shard: int) -> tuple[pa.Table, Planted]:
    """The rows of a shard as the mill would commit them, and what was planted in them; the same in every process."""
    first = shard_of(spec, shard).first_id
    rows = spec.shard_phrases
    ids = np.arange(first, first + rows, dtype=np.int64)
    coordinates = PromptBook(spec).coordinates(ids, np.zeros(rows, np.int64))
    texts, languages = _texts(coordinates, shard)
    exact, near = _plant(texts, spec, shard) if shard else ({}, {})
    texts = list(dict.fromkeys(texts))  # within a shard all differ; the few that do not are written anew
    number = 0
    while len(texts) < rows:
        texts.append(f"{texts[number][:-1]} ({shard}, {number}).")
        number += 1
    place = {text: row for row, text in enumerate(texts)}
    columns = [
        pa.array(ids),
        pa.array(texts, pa.string()),
        pa.array(np.fromiter((text_hash(text) for text in texts), np.uint64, rows)),
        coordinates.column("template"),
        coordinates.column("scene"),
        coordinates.column("slots"),
        pa.DictionaryArray.from_arrays(pa.array(languages.astype(np.int32)), pa.array(LANGUAGES)),
        pa.array(np.fromiter(map(len, texts), np.int16, rows)),
        pa.array(np.zeros(rows, np.int16)),
    ]
    planted = Planted(*(_pairs(first, found, place) for found in (exact, near)))
    return pa.table(columns, schema=SCHEMA), planted


def _pairs(first: int, planted: dict[str, int], place: dict[str, int]) -> npt.NDArray[np.int64]:
    pairs = [(first + place[text], source) for text, source in planted.items() if text in place]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _texts(coordinates: pa.Table, shard: int) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Sentences around the first two lexemes of each row, and which of LANGUAGES each is in."""
    rows = coordinates.num_rows
    draw = np.random.default_rng([shard, rows])
    slots = coordinates.column("slots").combine_chunks()
    starts = slots.offsets.to_numpy()[:-1]
    lexemes = {str(n + 1): slots.items.take(pa.array(starts + n)) for n in range(2)}
    templates = coordinates.column("template").cast(pa.string())
    languages = pc.starts_with(templates, "ru_").to_numpy(zero_copy_only=False).astype(np.intp)
    frames = draw.integers(0, len(FRAMES["en"]), rows)
    made = pa.nulls(rows, pa.string())
    for number, language in enumerate(LANGUAGES):
        for frame, pattern in enumerate(FRAMES[language]):
            mask = (languages == number) & (frames == frame)
            mine = {name: lexeme.filter(pa.array(mask)) for name, lexeme in lexemes.items()}
            parts = [_words(part, language, draw, lexemes=mine) for part in pattern.split()]
            text = pc.binary_join_element_wise(*parts, " ")
            made = pc.replace_with_mask(made, pa.array(mask), text)
    return [_sentence(text) for text in made.to_pylist()], languages


def _sentence(words: str) -> str:
    text = " ".join(words.split()).replace(" ,", ",")
    return f"{text[0].upper()}{text[1:]}."


def _words(part: str, language: str, draw: np.random.Generator, *, lexemes: dict[str, pa.Array]) -> pa.Array:
    """One word of each sentence: a lexeme of the row, a word of the frame, or one drawn from a lexicon."""
    count = len(lexemes["1"])
    if part in lexemes:
        return lexemes[part]
    if not part.isupper():
        return pa.array([part] * count)
    common = [word.strip() for word in getattr(lexicons, f"{language.upper()}_{part}")]
    if part in WHOLE:
        return pa.array(common).take(pa.array(draw.integers(0, len(common), count)))
    pool = pa.array([*common, *_tail(language, part)])
    rare = draw.random(count) < TAIL_SHARE
    index = np.where(rare, len(common) + _zipf(TAIL_WORDS, count, draw), _zipf(len(common), count, draw))
    return pool.take(pa.array(index))


def _zipf(size: int, count: int, draw: np.random.Generator) -> npt.NDArray[np.int64]:
    """Ranks below `size` whose frequency falls about as 1 / (rank + 3)."""
    return np.minimum(size - 1, (4 * ((size + 3) / 4) ** draw.random(count) - 4)).astype(np.int64)


@cache
def _tail(language: str, part: str) -> list[str]:
    """Made words for one part of speech."""
    draw = np.random.default_rng([len(part), sum(map(ord, part))])
    return ["".join(draw.choice(SYLLABLES[language].split(), draw.integers(2, 5))) for _ in range(TAIL_WORDS)]


def _plant(texts: list[str], spec: CorpusSpec, shard: int) -> tuple[dict[str, int], dict[str, int]]:
    """Put repeats and near-duplicates of the shard before over some of the texts."""
    source = shard - 1
    first = shard_of(spec, source).first_id
    ids = np.arange(first, first + len(texts), dtype=np.int64)
    theirs, _ = _texts(PromptBook(spec).coordinates(ids, np.zeros(len(ids), np.int64)), source)
    draw = np.random.default_rng([shard, 1])
    exact, near = int(EXACT_SHARE * len(texts)), int(NEAR_SHARE * len(texts))
    # Sources come from the first half of a shard and are planted in the second, so none of them is a repeat itself.
    half = len(texts) // 2
    sources, targets = draw.permutation(half)[: exact + near], half + draw.permutation(half)[: exact + near]
    repeats: dict[str, int] = {}
    alike: dict[str, int] = {}
    for place, (row, target) in enumerate(zip(sources.tolist(), targets.tolist(), strict=True)):
        text = theirs[row]
        if place < exact:
            texts[target] = text.upper() if place % 2 else text
            repeats[texts[target]] = first + row
        else:
            changed = " ".join(_changed(text.split(), texts[target].split(), draw))
            if likeness(text, changed) >= 0.7:
                texts[target] = changed
                alike[changed] = first + row
    return repeats, alike


def _changed(words: list[str], strangers: list[str], draw: np.random.Generator) -> list[str]:
    """The words with one exchanged, two exchanged, one dropped or one put in; the new ones come from elsewhere."""
    place, other = draw.choice(len(words), 2, replace=False).tolist()
    new = strangers[len(strangers) // 2 :][:2]
    match int(draw.integers(0, 4)):
        case 0:
            words[place] = new[0]
        case 1:
            words[place], words[other] = new[0], new[-1]
        case 2:
            del words[place]
        case _:
            words.insert(place, new[0])
    return words


def likeness(one: str, other: str) -> float:
    """Words in both of words in either; a word is a run of letters, digits and apostrophes, as the release has it.

    Reckoned apart from the release's own code.
    """
    mine, theirs = (set(re.findall(r"[\w'’]+", text.lower())) for text in (one, other))
    return len(mine & theirs) / len(mine | theirs)
