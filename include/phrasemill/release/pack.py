"""pack: kept rows into the finished files of a release, a Parquet file and a text file at a time.

A shard is read whole and decoded once for each file that has rows of it. Memory: the files themselves, compressed, each
once more while it is read back, a shard and a row group.
"""

import io
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.release.deal import dealt
from phrasemill.release.encoded_rows import one_chunk, plain, slot_words
from phrasemill.release.errors import WorkMissing
from phrasemill.release.kept import KEPT, KeptRows, file_count, kept_rows
from phrasemill.release.keys import numbered
from phrasemill.release.packed import Packed, packed_name
from phrasemill.release.place import PARQUET, ReleasePlace
from phrasemill.release.released_rows import released_rows
from phrasemill.release.row_groups import group_sizes, in_groups, parquet_writer
from phrasemill.release.slot_files import SlotFiles
from phrasemill.release.spread import spread
from phrasemill.release.text_file import text_frame

SAMPLED = 100_000
"""Phrases of the sample of a release, about."""
ZSTD = "application/zstd"


def files_of(place: ReleasePlace) -> range:
    """The numbers of a release's files of phrases.

    Raises:
        WorkMissing: duplicates have not been resolved.
    """
    return range(file_count(place.plan, place.json(KEPT)))


def pack(place: ReleasePlace, file: int) -> dict[str, Any]:
    """Put a Parquet file and its text file, and leave what later steps count and link by.

    Raises:
        StoreError: a shard's committed data is gone or damaged.
        WorkMissing: an earlier step has not been done.
        LineBreakInPhrase: a phrase would be two lines of the text file.
    """
    done = packed_name(file)
    if not place.has_work(done):
        files, kept = len(files_of(place)), KeptRows.read(place)
        by_id = place.plan.settings.order == "id"
        packing = _Packing(kept, sorted(place.store.spec.prompts.lexicons), by_id=by_id)
        with tempfile.TemporaryFile(prefix="phrasemill-pack-") as spool:
            if by_id:
                rows, tables = _in_id_order(place, kept, file, files=files)
            else:
                rows, tables = dealt(place, file, files=files, spool=spool)
            for group in in_groups(tables, group_sizes(rows)):
                packing.add(group)
        if packing.rows != rows:
            raise WorkMissing(
                f"file {file} of release {place.plan.version} has {packing.rows} rows of {rows}: what earlier steps "
                "left has changed meanwhile; run the release again"
            )
        packing.leave(place, file, files=files)
    packed = Packed.model_validate(place.json(done))
    return {"file": file, "rows": packed.rows, "text_bytes": packed.text_bytes}


def in_sample(ranks: npt.NDArray[np.int64], *, places: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which kept phrases are of the sample, by their places among all; `places` are those of the sample."""
    at = np.minimum(np.searchsorted(places, ranks), len(places) - 1)
    sampled: npt.NDArray[np.bool_] = places[at] == ranks
    return sampled


def _in_id_order(place: ReleasePlace, kept: KeptRows, file: int, *, files: int) -> tuple[int, Iterator[pa.Table]]:
    """How many rows a file has, and these, in tables of ENCODED: an equal share of the kept phrases."""
    first, last = file * kept.count // files, (file + 1) * kept.count // files

    def tables() -> Iterator[pa.Table]:
        for shard in kept.shards_between(first, last):
            held = int(kept.rank(np.array([shard.first_id]))[0])  # the place of its first row
            start = max(0, first - held)
            yield kept_rows(place, kept, shard).slice(start, last - held - start)

    return last - first, tables()


class _Packing:
    """The two files and all that is left beside them, grown by one row group after the other."""

    def __init__(self, kept: KeptRows, lexicons: list[str], *, by_id: bool) -> None:
        self._kept, self._lexicons = kept, lexicons
        self._places = spread(kept.count, most=SAMPLED)
        self._content = io.BytesIO()
        self._writer = parquet_writer(self._content, lexicons=lexicons, by_id=by_id)
        self._text = io.BytesIO()
        self._tally = _Tally()
        self._hashes = list[npt.NDArray[np.uint64]]()
        self._sample = list[pa.Table]()
        self._slots = SlotFiles()

    @property
    def rows(self) -> int:
        """How many it has so far."""
        return self._tally.rows

    def add(self, group: pa.Table) -> None:
        """Write canonical rows as a row group and a frame of text."""
        ids = one_chunk(group.column("phrase_id"))
        frame, text_bytes = text_frame(one_chunk(group.column("text")), ids)
        self._text.write(frame)
        self._writer.write_table(released_rows(group, self._lexicons), row_group_size=group.num_rows)
        self._tally.add(group, text_bytes=text_bytes)
        self._hashes.append(group.column("text_hash").to_numpy())
        sampled = in_sample(self._kept.rank(ids.to_numpy()), places=self._places)
        self._sample.append(plain(group.filter(pa.array(sampled))))
        self._slots.add(group)

    def leave(self, place: ReleasePlace, file: int, *, files: int) -> None:
        """Put the files, and leave the rest; the counts last, since they tell that all else is there."""
        self._writer.close()
        text, self._text = self._text.getvalue(), io.BytesIO()
        path = numbered("text", file, files, suffix=".txt.zst")
        place.put_file(path, text, rows=self.rows, content_type=ZSTD)
        del text  # before the larger file is held twice
        path = numbered("data", file, files, suffix=".parquet")
        place.put_file(path, self._content.getvalue(), rows=self.rows, content_type=PARQUET)
        self._content.close()
        place.put_array(f"packed/hashes-{file:05d}.npy", np.concatenate(self._hashes))
        place.put_table(f"packed/sample-{file:05d}.parquet", pa.concat_tables(self._sample).unify_dictionaries())
        self._slots.leave(place, file)
        place.put_json(packed_name(file), self._tally.packed().model_dump())


class _Tally:
    """Counts of rows."""

    def __init__(self) -> None:
        self.rows = self._chars = self._text_bytes = 0
        self._firsts, self._lasts = list[int](), list[int]()
        self._templates, self._langs = Counter[str](), Counter[str]()
        self._lexemes = defaultdict[str, Counter[str]](Counter)

    def add(self, rows: pa.Table, *, text_bytes: int) -> None:
        """Count rows of ENCODED, in one chunk, at least one."""
        self.rows += rows.num_rows
        self._chars += pc.sum(rows.column("chars")).as_py()
        self._text_bytes += text_bytes
        ends = pc.min_max(rows.column("phrase_id"))
        self._firsts.append(ends["min"].as_py())
        self._lasts.append(ends["max"].as_py())
        self._templates.update(_counts(one_chunk(rows.column("template"))))
        self._langs.update(_counts(one_chunk(rows.column("lang"))))
        for (lexicon, lexeme), count in _slot_counts(one_chunk(rows.column("slots"))):
            self._lexemes[lexicon][lexeme] += count

    def packed(self) -> Packed:
        """All that was counted."""
        return Packed(
            rows=self.rows,
            chars=self._chars,
            text_bytes=self._text_bytes,
            first_id=min(self._firsts),
            last_id=max(self._lasts),
            templates=dict(self._templates),
            lexemes={lexicon: dict(counts) for lexicon, counts in self._lexemes.items()},
            langs=dict(self._langs),
        )


def _counts(words: pa.DictionaryArray) -> dict[str, int]:
    """Rows of each word; all words of the dictionary are used."""
    counts = np.bincount(words.indices.to_numpy(), minlength=len(words.dictionary))
    return dict(zip(words.dictionary.to_pylist(), counts.tolist(), strict=True))


def _slot_counts(slots: pa.MapArray) -> Iterator[tuple[tuple[str, str], int]]:
    """Each lexicon and lexeme with its rows; a template has no lexicon twice, so a row counts once."""
    _, lexicons, lexemes = slot_words(slots)
    width = len(lexemes.dictionary)
    counts = np.bincount(lexicons.indices.to_numpy().astype(np.int64) * width + lexemes.indices.to_numpy())
    names, words = lexicons.dictionary.to_pylist(), lexemes.dictionary.to_pylist()
    for place in np.flatnonzero(counts).tolist():
        yield (names[place // width], words[place % width]), int(counts[place])
