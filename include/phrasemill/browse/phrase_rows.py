"""PhraseRows: rows of phrases by their ids, their scene or their place, out of as few row groups as may be.

In id order each file and each row group tells the least and greatest id and scene in it, and a look-up opens those that
may have what it wants. In shuffled order they tell nothing; but a file is in the order of a hash of its ids
(`phrasemill.release.deal`), and hashes spread evenly, so a phrase's hash says about where it stands.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from phrasemill.browse.found import Phrase
from phrasemill.browse.tables import Tables
from phrasemill.release.contents import PHRASES
from phrasemill.release.manifest import ReleaseManifest
from phrasemill.release.order_hash import order_hash

DEVIATIONS = 8
"""How far from its expected place a row is looked for: beyond that lies one of 10**15."""
SPARE_ROWS = 64
MAX_ID = 2**63 - 1

PHRASE = "select phrase_id, text, template, scene, slots, lang from read_parquet(?)"
BY_IDS = f"{PHRASE} where phrase_id in (select unnest(?))"
BY_PLACE = f"{PHRASE} where file_row_number between ? and ? and phrase_id = ?"
BY_ROW = f"{PHRASE} where file_row_number = ?"
BY_SCENE = f"{PHRASE} where scene = ? order by phrase_id limit ?"


class Window(NamedTuple):
    """Where a phrase of a release in shuffled order is, if it is there: the file, and its rows first to last."""

    file: int
    first: int
    last: int


class PhraseRows:
    """The phrases of one release."""

    def __init__(self, tables: Tables, manifest: ReleaseManifest) -> None:
        self._tables = tables
        self._paths = [entry.path for entry in PHRASES.files(manifest.files)]
        self._seed = manifest.seed if manifest.order == "shuffled" else None

    def by_ids(self, ids: Sequence[int]) -> dict[int, Phrase]:
        """Those of these phrases that are there, by id."""
        wanted = [phrase_id for phrase_id in dict.fromkeys(ids) if 0 <= phrase_id <= MAX_ID]
        if self._seed is None:
            addresses = self._tables.holding(self._paths, "phrase_id", wanted)
            rows = self._tables.rows(BY_IDS, [addresses, wanted]) if addresses else []
        else:
            rows = self._by_places(wanted, seed=self._seed) if wanted else []
        return {row[0]: _phrase(row) for row in rows}

    def by_scene(self, number: int, *, most: int) -> list[Phrase]:
        """The first phrases of a scene by id; in shuffled order all scene numbers are looked through."""
        addresses = self._tables.holding(self._paths, "scene", [number])
        rows = self._tables.rows(BY_SCENE, [addresses, number, most]) if addresses else []
        return [_phrase(row) for row in rows]

    def by_place(self, place: int) -> Phrase:
        """The phrase at a place of the whole release, from 0."""
        for part in self._tables.parts(self._paths, "phrase_id"):
            if place < part.rows:
                return _phrase(self._tables.rows(BY_ROW, [[part.address], place])[0])
            place -= part.rows
        raise IndexError(place)

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(part.rows for part in self._tables.parts(self._paths, "phrase_id"))

    @property
    def last_scene(self) -> int:
        """The greatest number of a scene; 0 where there is none."""
        return max((part.last for part in self._tables.parts(self._paths, "scene")), default=0)

    def _by_places(self, ids: Sequence[int], *, seed: int) -> list[tuple[Any, ...]]:
        parts = self._tables.parts(self._paths, "phrase_id")
        values: list[object] = []
        for phrase_id in ids:
            window = window_of(phrase_id, seed=seed, rows=[part.rows for part in parts])
            values += [[parts[window.file].address], window.first, window.last, phrase_id]
        return self._tables.rows(" union all ".join([BY_PLACE] * len(ids)), values)


def _phrase(row: tuple[Any, ...]) -> Phrase:
    phrase_id, text, template, scene, slots, language = row
    # A struct has a field for each lexicon of the corpus, null where the phrase's template has no such slot.
    named = {slot: lexeme for slot, lexeme in slots.items() if lexeme is not None}
    return Phrase(phrase_id, text, template, scene, named, language)


def window_of(phrase_id: int, *, seed: int, rows: Sequence[int]) -> Window:
    """Where a phrase stands in shuffled order; `rows` are those of each file.

    Each file has an equal range of the hashes. Of its n rows, the one whose hash lies a share q into that range is
    expected at q * n, with a standard deviation of sqrt(n * q * (1 - q)).
    """
    scaled = int(order_hash(np.array([phrase_id], np.int64), seed=seed)[0]) * len(rows)
    file, share = scaled >> 64, (scaled & (2**64 - 1)) / 2**64
    count = rows[file]
    reach = math.ceil(DEVIATIONS * math.sqrt(count * share * (1 - share))) + SPARE_ROWS
    return Window(file, max(0, int(count * share) - reach), int(count * share) + reach)
