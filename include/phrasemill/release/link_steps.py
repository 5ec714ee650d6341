"""The steps of a release that make its hypertext: ring, link_file, index.

Each reads from the bucket what `sketch`, `resolve` and `pack` left there and leaves its own; what is there is not made
again.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.prompts import scene_numbers
from phrasemill.release.errors import WorkMissing
from phrasemill.release.kept import KEPT, KeptRows
from phrasemill.release.keys import links_file
from phrasemill.release.lexeme_table import encode_index, lexeme_table
from phrasemill.release.link_rows import (
    LinkFile,
    Links,
    lexeme_head,
    link_rows,
    scene_links,
    weight,
)
from phrasemill.release.packed import PACKED
from phrasemill.release.place import FILES, PARQUET, ReleasePlace
from phrasemill.release.rings import (
    MAX_LEXEMES,
    RINGS,
    SAMPLE,
    Ring,
    RingBook,
    Sample,
    encode_rings,
    kept_keys,
    overlapping_rings,
    ring_table,
)
from phrasemill.release.word_samples import OF_CHUNK, merge_word_samples
from phrasemill.store.corpus_store import in_parallel

LEXEMES, WORDS = "index/lexemes.parquet", "index/words.parquet"
FEW = 20
"""Phrases of a lexeme that is rare enough whatever its share: 2 % of 60 phrases are one, and no two would be linked."""
PART_ROWS = 2**24
"""Phrases whose rings are made at once: at most 1 GB, at 56 bytes each."""
BLOCK_IDS = 2**20
"""Phrase ids whose links are merged at once, 20 bytes each and lexicon; a multiple of 8."""
NEXT_IDS = 2**16
"""Phrase ids among which the next of a scene is looked for at once."""
SPANS_AT_ONCE = 32
"""Spans whose words are merged at once: of 500,000 phrases, a span has some 1,500,000 ids."""
AT_ONCE = 4
"""Files of slots that are read at once."""

Ids = npt.NDArray[np.int64]


def lexicons_of(place: ReleasePlace) -> list[str]:
    """The lexicons of the corpus, each used by a template, sorted: `ring` is done for each."""
    return sorted(place.store.spec.prompts.lexicons)


def ring(place: ReleasePlace, lexicon: str) -> dict[str, Any]:
    """Leave the rings of a lexicon's lexemes for each link range, and the lexicon's part of the index.

    Raises:
        WorkMissing: a step before this one has not been done, or a part of what it left is gone.
    """
    name = _lexemes(lexicon)
    if not place.has_work(name):
        counts = _counts(place, lexicon)
        lexemes = sorted(counts)
        sizes = [counts[lexeme] for lexeme in lexemes]
        rare = max(FEW, math.floor(round(place.plan.settings.rare_lexeme_share * _kept(place), 6)))
        linked, samples = list[bool](), list[Sample]()
        for part, (low, high) in enumerate(_parts([kept_keys(size, rare=rare) for size in sizes])):
            book = RingBook(lexemes[low:high], sizes[low:high], rare=rare)
            made = book.ring(_keys(place, lexicon, book, lexemes[low:high]))
            expected = int(np.array(sizes[low:high], np.int64)[book.linked].sum())
            if len(made.from_ids) != expected:
                found = f"slots/{lexicon}/ has {len(made.from_ids):,} of {expected:,} phrases"
                raise _unpacked(place, f"{found} of lexemes {low} to {high - 1}")
            _put_rings(place, made, name=_rings(lexicon), part=part, first_code=low)
            linked.extend(book.linked.tolist())
            samples.append(made.sample)
        place.put_table(name, lexeme_table(lexicon, lexemes, counts=sizes, linked=linked, samples=samples))
    done = place.table(name, columns=["phrases", "linked"])
    links = pc.sum(done.column("phrases").filter(done.column("linked"))).as_py() or 0
    return {"lexicon": lexicon, "lexemes": done.num_rows, "links": links}


def link_file(place: ReleasePlace, number: int) -> dict[str, Any]:
    """Put the links out of a link range's phrases: a file of the finished release.

    Raises:
        WorkMissing: a step before this one has not been done.
    """
    path = links_file(number, place.plan.cuts.link_ranges)
    if not place.has_work(_noted(path)):
        first, last = place.plan.link_range(number)
        rings = [_RingRange(place, lexicon, number) for lexicon in lexicons_of(place)]
        kinds: list[_SceneChain | _RingRange] = [_SceneChain(place), *rings]
        content = LinkFile()
        for start in range(first, last, BLOCK_IDS):
            stop = min(start + BLOCK_IDS, last)
            for table in link_rows([kind.links(start, stop) for kind in kinds], start, stop):
                content.add(table)
        place.put_file(path, content.close(), rows=content.rows, content_type=PARQUET)
    return {"path": path, "links": place.json(_noted(path))["rows"]}


def index(place: ReleasePlace) -> dict[str, Any]:
    """Put the look-up tables: phrases by lexeme and by word.

    Raises:
        WorkMissing: a step before this one has not been done.
    """
    if not place.has_work(_noted(LEXEMES)):
        tables = in_parallel(place.table, [_lexemes(lexicon) for lexicon in lexicons_of(place)])
        _put_index(place, LEXEMES, pa.concat_tables(tables), by=("slot", "lexeme"))
    if not place.has_work(_noted(WORDS)):
        merged = _merged_words(place)
        led = merged.filter(pc.greater(pc.list_value_length(merged.column("ids")), 0))  # to a phrase that was kept
        _put_index(place, WORDS, led, by=("word",))
    return {what: place.json(_noted(path))["rows"] for what, path in (("lexemes", LEXEMES), ("words", WORDS))}


class _RingRange:
    """The rings of a lexicon, for the phrases of a link range."""

    def __init__(self, place: ReleasePlace, lexicon: str, number: int) -> None:
        kept, table = _kept(place), place.table(_lexemes(lexicon), columns=["lexeme", "phrases"])
        self._head = lexeme_head(lexicon)
        self._whys = [f"{self._head}{lexeme}" for lexeme in table.column("lexeme").to_pylist()]
        weights = [weight(kept, phrases) for phrases in table.column("phrases").to_pylist()]
        self._weights = np.array(weights, np.float32)
        self._parts = in_parallel(place.work, place.work_names(f"{_rings(lexicon)}/range-{number:05d}-"))

    def links(self, start: int, stop: int) -> Links:
        """Those out of the phrases [start, stop), and of some before and after."""
        tables = [RINGS.empty_table(), *(overlapping_rings(part, start, stop) for part in self._parts)]
        from_ids, to_ids, codes = (column.to_numpy() for column in pa.concat_tables(tables).columns)
        if len(self._parts) > 1:
            order = np.argsort(from_ids)
            from_ids, to_ids, codes = from_ids[order], to_ids[order], codes[order]
        return Links(self._head, from_ids, to_ids, codes, self._whys, self._weights)


class _SceneChain:
    """Kept phrases, each with the next of its scene."""

    def __init__(self, place: ReleasePlace) -> None:
        spec = place.store.spec
        self._kept, self._end = KeptRows.read(place), place.plan.last_id + 1
        self._group, self._scene_phrases = spec.sampling.group, spec.prompts.scene_phrases
        self._weight = weight(_kept(place), max(self._group, self._scene_phrases))

    def links(self, start: int, stop: int) -> Links:
        """Those out of the phrases [start, stop)."""
        ids = np.concatenate([self._among(start, stop), self._next(stop)])
        scenes = scene_numbers(ids, group=self._group, scene_phrases=self._scene_phrases)
        return scene_links(ids, scenes, weight=self._weight)

    def _next(self, first: int) -> Ids:
        """The first kept phrase from here on, if there is one that may be of the scene before."""
        end = min(self._end, first + self._group + self._scene_phrases)
        for start in range(first, end, NEXT_IDS):
            found = self._among(start, min(start + NEXT_IDS, end))
            if len(found):
                return found[:1]
        return np.empty(0, np.int64)

    def _among(self, start: int, stop: int) -> Ids:
        ids: Ids = np.arange(start, stop)
        return ids[self._kept.contains(ids)]


def _counts(place: ReleasePlace, lexicon: str) -> Counter[str]:
    """Kept phrases of each lexeme."""
    counts, rows, kept = Counter[str](), 0, _kept(place)
    for packed in in_parallel(place.json, place.work_names(PACKED)):
        counts.update(packed["lexemes"].get(lexicon, {}))
        rows += packed["rows"]
    if rows != kept:
        raise _unpacked(place, f"{rows:,} of {kept:,} phrases are packed")
    return counts


def _unpacked(place: ReleasePlace, found: str) -> WorkMissing:
    return WorkMissing(
        f"release {place.plan.version} of {place.plan.corpus}: {found}; run the release again from its start"
    )


def _parts(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of lexemes with at most PART_ROWS keys together, or of one lexeme. They change no ring."""
    runs, first, total = list[tuple[int, int]](), 0, 0
    for code, size in enumerate(sizes):
        if code > first and (total + size > PART_ROWS or code - first == MAX_LEXEMES):
            runs.append((first, code))
            first, total = code, 0
        total += size
    return [*runs, (first, len(sizes))] if sizes else []


def _keys(place: ReleasePlace, lexicon: str, book: RingBook, lexemes: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Ring keys of all phrases that have one of these lexemes."""
    codes = {lexeme: code for code, lexeme in enumerate(lexemes)}

    def keys_of(name: str) -> npt.NDArray[np.uint64]:
        return _joined([_batch_keys(batch, book, codes) for batch in place.table(name).to_batches()])

    return _joined(in_parallel(keys_of, place.work_names(f"slots/{lexicon}/"), at_once=AT_ONCE))


def _batch_keys(batch: pa.RecordBatch, book: RingBook, codes: Mapping[str, int]) -> npt.NDArray[np.uint64]:
    ids, lexemes = batch.column("phrase_id").to_numpy(), batch.column("lexeme")
    known = np.array([codes.get(lexeme, -1) for lexeme in lexemes.dictionary.to_pylist()], np.int32)
    mine = known[lexemes.indices.to_numpy()]
    if (known < 0).any():
        ids, mine = ids[mine >= 0], mine[mine >= 0]
    return book.keys(ids, mine)


def _joined(keys: Sequence[npt.NDArray[np.uint64]]) -> npt.NDArray[np.uint64]:
    return np.concatenate([np.empty(0, np.uint64), *keys])


def _put_rings(place: ReleasePlace, made: Ring, *, name: str, part: int, first_code: int) -> None:
    """Leave rings for each link range, in the order of ids."""
    ranges = [place.plan.link_range(number) for number in range(place.plan.cuts.link_ranges)]
    number_type = np.min_scalar_type(len(ranges))
    numbers = np.searchsorted([last for _, last in ranges], made.from_ids, side="right").astype(number_type)
    # Sorting numbers of one or two bytes and laying out each range takes half of what sorting all ids does.
    order = np.argsort(numbers, kind="stable")
    bounds = [0, *np.cumsum(np.bincount(numbers, minlength=len(ranges))).tolist()]
    for number, (low, high) in enumerate(pairwise(bounds)):
        if low == high:
            continue  # an empty file's row group has no statistics
        chosen = order[low:high]
        codes = made.codes[chosen] + np.int32(first_code)
        table = ring_table(made.from_ids[chosen], made.to_ids[chosen], codes, within=ranges[number])
        place.put_work(f"{name}/range-{number:05d}-part-{part:05d}.parquet", encode_rings(table))


def _merged_words(place: ReleasePlace) -> pa.Table:
    """The word samples of all spans as one; of many spans, first those of each run of SPANS_AT_ONCE."""
    is_kept = _kept_bits(place)
    names = [f"sketch/span-{span:05d}/words.parquet" for span in range(len(place.plan.cuts.spans))]
    runs = [names[first : first + SPANS_AT_ONCE] for first in range(0, len(names), SPANS_AT_ONCE)]
    if len(runs) == 1:
        return merge_word_samples(in_parallel(place.table, names), kept=is_kept, most=SAMPLE)
    most = max(OF_CHUNK, 2 * SAMPLE // len(runs))
    merged = [merge_word_samples(in_parallel(place.table, run), kept=is_kept, most=most) for run in runs]
    return merge_word_samples(merged, kept=is_kept, most=SAMPLE)


def _kept_bits(place: ReleasePlace) -> Callable[[Ids], npt.NDArray[np.bool_]]:
    """Says of ids in no order which are kept, by a bit for each: searching the dropped takes 50 times as long."""
    kept, end = KeptRows.read(place), place.plan.last_id + 1
    blocks = [
        np.packbits(kept.contains(np.arange(first, min(first + BLOCK_IDS, end))), bitorder="little")
        for first in range(0, end, BLOCK_IDS)
    ]
    bits = np.concatenate(blocks)

    def is_kept(ids: Ids) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.bool_] = (bits[ids >> 3] >> (ids & 7).astype(np.uint8) & 1).astype(np.bool_)
        return found

    return is_kept


def _put_index(place: ReleasePlace, path: str, table: pa.Table, *, by: Sequence[str]) -> None:
    place.put_file(path, encode_index(table, by=by), rows=table.num_rows, content_type=PARQUET)


def _kept(place: ReleasePlace) -> int:
    """Phrases that are kept."""
    return int(place.json(KEPT)["kept"])


def _noted(path: str) -> str:
    """What stands when a file of the release has been put."""
    return f"{FILES}{path}.json"


def _lexemes(lexicon: str) -> str:
    return f"lexemes/{lexicon}.parquet"


def _rings(lexicon: str) -> str:
    return f"rings/{lexicon}"
