"""ReleaseReader: look-ups in one release, each over a few row groups of its files; nothing is loaded whole.

Scenes: `PromptBook` counts them up with the ids, so in id order the phrases of a scene are neighbours, and the range of
scenes that each row group tells of itself leads to the one or two that have them.
"""

import random
from collections.abc import Mapping, Sequence
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.browse.errors import NotInRelease
from phrasemill.browse.files import ReleaseFiles
from phrasemill.browse.found import (
    PHRASES_SHOWN,
    SCENE,
    Lexeme,
    LexemeFound,
    Link,
    Listing,
    Phrase,
    Step,
    WordFound,
)
from phrasemill.browse.phrase_rows import MAX_ID, PhraseRows
from phrasemill.browse.tables import MEMORY, THREADS, Tables
from phrasemill.gate.words import NOT_A_WORD
from phrasemill.release.contents import LEXEMES, LINKS, WORDS
from phrasemill.release.manifest import ReleaseManifest
from phrasemill.release.word_samples import OF_CHUNK
from phrasemill.visible import visible

CANDIDATES_READ = 2 * PHRASES_SHOWN
"""Phrases that are read for a page of several words, to see which have them all."""
MAX_WORDS = 8
WALK_STEPS = 12
SCENE_SHOWN = 200
NEIGHBOURS = 256
"""Ids before and after a phrase among which a shuffled release is asked for its scene."""
NEAR_WORDS = 8

LINKS_FROM = 'select "to", why, weight from read_parquet(?) where "from" = ?'
CHAIN = 'select "from", "to" from read_parquet(?) where "from" between ? and ? and why = ?'
LEXEME = "select slot, lexeme, phrases, linked, ids from read_parquet(?) where slot = ? and lexeme = ?"
COUNTS = """
select slot, lexeme, phrases, linked from read_parquet(?)
where (slot, lexeme) in (select unnest(?), unnest(?))
"""
MOST_LINKED = """
select slot, lexeme, phrases, linked from read_parquet(?) where linked
order by phrases desc, slot, lexeme limit ?
"""
WORD = "select phrases, ids from read_parquet(?) where word = ?"
COUNT = "select cast(sum(num_rows) as bigint) from parquet_file_metadata(?)"
NEAR = "select word from read_parquet(?) where word >= ? and word < ? order by word limit ?"


class ReleaseReader:
    """One release. Several threads may ask at once.

    Every method raises StoreError where files cannot be read.

    Args:
        files: where it lies.
        memory: how much DuckDB may take.
        threads: how many it may use.
    """

    def __init__(self, files: ReleaseFiles, *, memory: str = MEMORY, threads: int = THREADS) -> None:
        self.manifest: ReleaseManifest = files.manifest
        self._tables = Tables(files, memory=memory, threads=threads)
        self._phrases = PhraseRows(self._tables, files.manifest)
        self._link_paths = [entry.path for entry in LINKS.files(files.manifest.files)]
        self._lexemes = [files.address(LEXEMES.pattern)]
        self._words = [files.address(WORDS.pattern)]

    def phrase(self, phrase_id: int) -> Phrase:
        """One phrase.

        Raises:
            NotInRelease: no phrase of the release has this id.
        """
        found = self._phrases.by_ids([phrase_id])
        if not found:
            raise NotInRelease(
                f"phrase {phrase_id} is not in release {self.manifest.version}: it was never committed, or left out "
                "as a duplicate"
            )
        return found[phrase_id]

    def phrases(self, ids: Sequence[int]) -> list[Phrase]:
        """Those of these phrases that are in the release, in the order asked for."""
        found = self._phrases.by_ids(ids)
        return [found[phrase_id] for phrase_id in ids if phrase_id in found]

    def links_from(self, phrase_id: int) -> list[Link]:
        """Links out of a phrase: to the next of its scene, then by the rarest lexeme first."""
        if not 0 <= phrase_id <= MAX_ID:
            return []
        files = self._tables.holding(self._link_paths, "from", [phrase_id])
        rows = self._tables.rows(LINKS_FROM, [files, phrase_id]) if files else []
        links = [Link(*row) for row in rows]
        return sorted(links, key=lambda link: (":" in link.why, -link.weight, link.why))

    def scene(self, number: int) -> list[Phrase]:
        """The phrases of a scene by id, the first SCENE_SHOWN of them.

        Raises:
            NotInRelease: no phrase of the release is of this scene.
        """
        phrases = self._phrases.by_scene(number, most=SCENE_SHOWN)
        if not phrases:
            raise NotInRelease(f"no phrase of release {self.manifest.version} is of scene {number}")
        return phrases

    def scene_of(self, phrase: Phrase) -> list[Phrase]:
        """The phrases of a phrase's scene by id, itself among them.

        In shuffled order they are found by the links from one to the next, which are in id order all the same: so no
        scene number but its own is read. A scene of over NEIGHBOURS ids is then cut to those around the phrase.
        """
        if self.manifest.order == "id":
            return self.scene(phrase.scene)
        first, last = phrase.phrase_id - NEIGHBOURS, phrase.phrase_id + NEIGHBOURS
        files = self._tables.holding(self._link_paths, "from", [first, phrase.phrase_id, last])
        after = dict(self._tables.rows(CHAIN, [files, first, last, SCENE])) if files else {}
        before = {following: one for one, following in after.items()}
        ids = {phrase.phrase_id}
        for step in (after, before):
            at = phrase.phrase_id
            while (at := step.get(at, -1)) >= 0 and len(ids) < SCENE_SHOWN:
                ids.add(at)
        return self.phrases(sorted(ids))

    @property
    def last_scene(self) -> int:
        """The greatest number of a scene; 0 where there is none."""
        return self._phrases.last_scene

    def lexemes_of(self, slots: Mapping[str, str]) -> list[Lexeme]:
        """The lexemes of a phrase with their counts, in the order of its slots."""
        rows = self._tables.rows(COUNTS, [self._lexemes, list(slots), list(slots.values())])
        found = {(row[0], row[1]): Lexeme(*row) for row in rows}
        return [found[pair] for pair in slots.items() if pair in found]

    def most_linked(self, most: int) -> list[Lexeme]:
        """The lexemes that link most phrases."""
        return [Lexeme(*row) for row in self._tables.rows(MOST_LINKED, [self._lexemes, most])]

    def lexeme(self, slot: str, lexeme: str, page: int = 1) -> LexemeFound:
        """A lexeme, and a page of the phrases that the index lists of it.

        Raises:
            NotInRelease: no phrase has it, or the list has no such page.
        """
        rows = self._tables.rows(LEXEME, [self._lexemes, slot, lexeme])
        if not rows:
            raise NotInRelease(
                f"no phrase of release {self.manifest.version} has {_told(slot)} {_told(lexeme)}; follow a lexeme "
                "from the page of a phrase, or look for one of its words"
            )
        *about, ids = rows[0]
        return LexemeFound(Lexeme(*about), self._listing(ids, page))

    def word(self, query: str, page: int = 1) -> WordFound:
        """Phrases that have a word, or all of several words: a page of them.

        The index lists some phrases of each word. Of several, those listed of the rarest are taken; where another is
        too common for its list to be whole, CANDIDATES_READ of them a page are read to see whether they have it.

        Raises:
            NotInRelease: there is no word in the query, no phrase has one of them, or the list has no such page.
        """
        words = list(dict.fromkeys(words_in([query])[0]))[:MAX_WORDS]
        if not words:
            raise NotInRelease("there is no word to look for; write one, or several that a phrase is to have")
        found: dict[str, tuple[int, list[int]]] = {}
        for word in words:
            rows = self._tables.rows(WORD, [self._words, word])
            if not rows:
                raise NotInRelease(f"no phrase of release {self.manifest.version} has the word {_told(word)}")
            found[word] = rows[0][0], rows[0][1]
        rarest = min(words, key=lambda word: (found[word][0], word))
        phrases, ids = found[rarest]
        unsure = []
        for word in words:
            if word != rarest and found[word][0] <= OF_CHUNK:  # then all are listed
                listed = set(found[word][1])
                ids = [phrase_id for phrase_id in ids if phrase_id in listed]
            elif word != rarest:
                unsure.append(word)
        listing = self._listing_with(ids, page, set(unsure)) if unsure else self._listing(ids, page)
        return WordFound(tuple(words), rarest, phrases, listing, checked=bool(unsure))

    def near_words(self, query: str) -> list[str]:
        """Words of the release that begin as the first word of the query does."""
        words = words_in([query])[0]
        for length in range(min(len(words[0]), 12), 1, -1) if words else ():
            start = words[0][:length]
            if rows := self._tables.rows(NEAR, [self._words, start, f"{start}\U0010ffff", NEAR_WORDS]):
                return [row[0] for row in rows]
        return []

    def random_phrase(self, seed: int) -> Phrase:
        """A phrase at random; the same seed finds the same one.

        Raises:
            NotInRelease: the release is empty.
        """
        count = self._phrases.count
        if not count:
            raise NotInRelease(f"release {self.manifest.version} has no phrases")
        return self._phrases.by_place(random.Random(seed).randrange(count))  # noqa: S311

    def random_walk(self, start: int, steps: int = WALK_STEPS, *, seed: int = 0) -> list[Step]:
        """From a phrase along links drawn at random, to none twice; shorter where no link leads on.

        Raises:
            NotInRelease: no phrase of the release has the first id.
        """
        chooser = random.Random(f"{seed} {start}")  # noqa: S311
        way: list[tuple[int, Link | None]] = [(start, None)]
        met = {start}
        for _ in range(min(steps, WALK_STEPS)):
            links = [link for link in self.links_from(way[-1][0]) if link.to_id not in met]
            if not links:
                break
            link = chooser.choice(links)
            met.add(link.to_id)
            way.append((link.to_id, link))
        phrases = {phrase.phrase_id: phrase for phrase in self.phrases([phrase_id for phrase_id, _ in way])}
        if start not in phrases:
            self.phrase(start)  # says that it is not there
        return [Step(phrases[phrase_id], link) for phrase_id, link in way if phrase_id in phrases]

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many phrases, links, lexemes and words the release has."""
        links = [self._tables.address(path) for path in self._link_paths]
        kinds = {"links": links, "lexemes": self._lexemes, "words": self._words}
        counted = {kind: self._tables.rows(COUNT, [addresses])[0][0] for kind, addresses in kinds.items()}
        return {"phrases": self.manifest.phrases} | counted

    def _listing(self, ids: Sequence[int], page: int) -> Listing:
        shown, pages = _page_of(ids, page, PHRASES_SHOWN)
        return Listing(tuple(self.phrases(shown)), len(ids), page, pages)

    def _listing_with(self, ids: Sequence[int], page: int, words: set[str]) -> Listing:
        """As `_listing`, of CANDIDATES_READ phrases those that have these words too."""
        read, pages = _page_of(ids, page, CANDIDATES_READ)
        phrases = self.phrases(read)
        has = words_in([phrase.text for phrase in phrases])
        fitting = [phrase for phrase, found in zip(phrases, has, strict=True) if words <= set(found)]
        return Listing(tuple(fitting), len(ids), page, pages)


def words_in(texts: Sequence[str]) -> list[list[str]]:
    """Words of each text, folded as `gate.words` folds them."""
    clean = pa.array([text.encode("utf-8", "replace").decode() for text in texts], pa.string())
    folded = pc.utf8_lower(pc.utf8_normalize(clean, "NFKC"))
    return [text.split() for text in pc.replace_substring_regex(folded, NOT_A_WORD, " ").to_pylist()]


def _page_of(ids: Sequence[int], page: int, each: int) -> tuple[list[int], int]:
    """Ids of a page, and how many pages there are."""
    pages = max(1, -(-len(ids) // each))
    if not 1 <= page <= pages:
        raise NotInRelease(f"there is no page {page} of this list; it has {pages}")
    return list(ids[(page - 1) * each : page * each]), pages


def _told(text: str) -> str:
    return f"“{visible(text, most=80)}”"
