"""Packing: rows in are rows out, in files and row groups that follow from the rows alone."""

import io
from collections import Counter

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phrasemill.errors import ObjectDamaged, StoreError
from phrasemill.release.encoded_rows import encoded
from phrasemill.release.errors import WorkMissing
from phrasemill.release.pack import files_of, in_sample, pack
from phrasemill.release.packed import read_packed
from phrasemill.release.released_rows import released_schema
from phrasemill.release.row_groups import group_sizes, in_groups
from phrasemill.release.spread import spread
from phrasemill.release.text_file import LineBreakInPhrase
from phrasemill.rows import SCHEMA
from tests.release.committing import objects_of
from tests.release.packing import Resolved, resolved, some

SMALL_FILES = 2**16
DROPPED = some(range(6_000)) | {0, 999, 1_000}


def packed(release: Resolved, *, backwards: bool = False) -> Resolved:
    files = list(files_of(release.place))
    for file in files[::-1] if backwards else files:
        pack(release.place, file)
    return release


def partial() -> Resolved:
    """Shards 1 and 4 are not written yet, and the target is reached within shard 5."""
    return resolved(shards=(0, 2, 3, 5), drop=DROPPED, target=3_300, file_bytes=SMALL_FILES)


@pytest.fixture(scope="module")
def release() -> Resolved:
    return packed(partial())


@pytest.fixture(scope="module")
def large() -> Resolved:
    """Two row groups, each of rows of several shards."""
    return packed(resolved(shards=(0, 1, 2, 3), shard_rows=14_000, drop=some(range(56_000))))


class TestRows:
    def test_every_kept_row_comes_once_and_whole_in_the_order_of_ids(self, release: Resolved) -> None:
        assert release.data() == release.released()

    def test_lines_are_the_texts_in_the_same_order(self, release: Resolved) -> None:
        assert release.lines() == [row["text"] for row in release.expected()]

    def test_files_have_an_equal_share_of_the_kept_rows(self, release: Resolved) -> None:
        assert [entry.rows for entry in release.place.files() if entry.path.startswith("data/")] == [1_100] * 3
        assert [entry.path for entry in release.place.files()] == [
            *(f"data/train-0000{number}-of-00003.parquet" for number in range(3)),
            "dropped.parquet",
            *(f"text/train-0000{number}-of-00003.txt.zst" for number in range(3)),
        ]

    def test_each_text_file_has_the_rows_of_its_parquet_file(self, release: Resolved) -> None:
        rows = pq.read_table(io.BytesIO(release.object("data/train-00001-of-00003.parquet")))
        text = pa.CompressedInputStream(pa.py_buffer(release.object("text/train-00001-of-00003.txt.zst")), "zstd")
        assert text.read().decode().split("\n")[:-1] == rows.column("text").to_pylist()

    def test_other_readers_of_parquet_see_the_same(self, release: Resolved) -> None:
        content, ids = release.object("data/train-00000-of-00003.parquet"), release.kept[:1_100]
        frame = pl.read_parquet(io.BytesIO(content))
        expected = release.expected(ids)
        for column in ("phrase_id", "text", "text_hash", "template", "scene", "lang", "chars", "attempt"):
            assert frame[column].to_list() == [row[column] for row in expected]

    def test_duckdb_sees_the_same(self, release: Resolved, tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.mktemp("duckdb") / "train.parquet"
        path.write_bytes(release.object("data/train-00000-of-00003.parquet"))
        names = ", ".join(SCHEMA.names)
        found = duckdb.execute(f"SELECT {names} FROM read_parquet(?)", [str(path)]).fetchall()
        assert found == [tuple(row[name] for name in SCHEMA.names) for row in release.released(release.kept[:1_100])]


class TestParquet:
    def test_row_groups_do_not_hang_on_shards(self, large: Resolved) -> None:
        written = pq.ParquetFile(io.BytesIO(large.object("data/train-00000-of-00001.parquet"))).metadata
        kept = len(large.kept)
        assert 50_000 < kept < 56_000
        assert [written.row_group(number).num_rows for number in range(written.num_row_groups)] == [
            kept // 2,
            kept - kept // 2,
        ]

    def test_it_is_described_for_readers_that_skip(self, large: Resolved) -> None:
        file = pq.ParquetFile(
            io.BytesIO(large.object("data/train-00000-of-00001.parquet")), page_checksum_verification=True
        )
        assert file.schema_arrow.equals(released_schema(large.place.store.spec.prompts.lexicons))
        assert not file.schema_arrow.metadata
        assert file.read().num_rows == len(large.kept)
        group = file.metadata.row_group(1)
        assert group.sorting_columns == (pq.SortingColumn(0),)
        columns = [group.column(index) for index in range(group.num_columns)]
        assert {column.compression for column in columns} == {"ZSTD"}
        assert all(column.has_offset_index and column.has_column_index for column in columns)
        assert columns[0].statistics.min == large.kept[len(large.kept) // 2]

    def test_shuffled_files_do_not_claim_an_order(self) -> None:
        from phrasemill.release.deal import deal

        release = resolved(shards=(0,), order="shuffled")
        deal(release.place, 0)
        content = packed(release).object("data/train-00000-of-00001.parquet")
        assert pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0).sorting_columns == ()

    @pytest.mark.parametrize("rows", [1, 49_999, 50_000, 50_001, 100_001, 1_234_567])
    def test_groups_are_few_and_alike(self, rows: int) -> None:
        sizes = group_sizes(rows)
        assert sum(sizes) == rows
        assert max(sizes) - min(sizes) <= 1
        assert max(sizes) <= 50_000
        assert len(sizes) == 1 or min(sizes) >= 25_000

    def test_groups_follow_from_the_rows_alone(self, release: Resolved) -> None:
        rows = pa.Table.from_pylist(release.expected(release.kept[:900]), schema=SCHEMA)
        whole = list(in_groups([encoded(rows)], [500, 400]))
        cut = list(in_groups([encoded(rows.slice(first, 70)) for first in range(0, 900, 70)], [500, 400]))
        for one, other in zip(whole, cut, strict=True):
            assert one.equals(other)
            for column in ("template", "lang"):
                assert one.column(column).chunk(0).dictionary.equals(other.column(column).chunk(0).dictionary)
        assert [row for group in whole for row in group.to_pylist()] == rows.to_pylist()


class TestSameBytes:
    def test_again_in_another_order(self, release: Resolved) -> None:
        assert packed(partial(), backwards=True).finished() == release.finished()

    def test_all_that_is_left_beside_them_too(self, release: Resolved) -> None:
        again = packed(partial(), backwards=True)
        theirs, ours = objects_of(release.place.store), objects_of(again.place.store)
        left = [key for key in theirs if "/releases/v1/work/" in key]
        assert len(left) > 20
        assert {key: ours[key] for key in left} == {key: theirs[key] for key in left}

    def test_one_that_was_killed_is_done_again(self, release: Resolved) -> None:
        again = packed(partial())
        objects = objects_of(again.place.store)
        for key in [key for key in objects if key.endswith(("packed/file-00001.json", "packed/hashes-00001.npy"))]:
            del objects[key]
        objects[again.place.keys.file("data/train-00001-of-00003.parquet")] = b"half"
        assert packed(again).finished() == release.finished()

    def test_one_that_is_done_is_not_done_again(self) -> None:
        release = packed(partial())
        told = pack(release.place, 2)
        for shard in release.place.plan.shards:
            del objects_of(release.place.store)[shard.data_key]
        assert pack(release.place, 2) == told
        assert told == {"file": 2, "rows": 1_100, "text_bytes": read_packed(release.place)[2].text_bytes}


class TestCounts:
    def test_they_are_those_of_the_rows(self, release: Resolved) -> None:
        for number, counts in enumerate(read_packed(release.place)):
            rows = release.expected(release.kept[number * 1_100 : (number + 1) * 1_100])
            lexemes = Counter(slot for row in rows for slot in row["slots"])
            assert counts.rows == 1_100
            assert counts.chars == sum(len(row["text"]) for row in rows)
            assert counts.text_bytes == sum(len(row["text"].encode()) for row in rows)
            assert (counts.first_id, counts.last_id) == (rows[0]["phrase_id"], rows[-1]["phrase_id"])
            assert counts.templates == Counter(row["template"] for row in rows)
            assert counts.langs == {"en": 1_100}
            found = {(lexicon, one): count for lexicon, of in counts.lexemes.items() for one, count in of.items()}
            assert found == lexemes

    def test_a_file_that_is_not_packed_is_told(self) -> None:
        release = partial()
        pack(release.place, 1)
        with pytest.raises(WorkMissing, match="keeps 3300 phrases, and 1 files with 1100 of them are packed"):
            read_packed(release.place)


class TestLeftForLaterSteps:
    def test_hashes_are_those_of_the_rows(self, release: Resolved) -> None:
        for number in range(3):
            ids = release.kept[number * 1_100 : (number + 1) * 1_100]
            hashes = release.place.array(f"packed/hashes-{number:05d}.npy")
            assert hashes.dtype == np.uint64
            assert hashes.tolist() == [row["text_hash"] for row in release.expected(ids)]

    def test_slots_lie_by_lexicon(self, release: Resolved) -> None:
        for lexicon in ("place", "object", "trade"):
            tables = [release.place.table(name) for name in release.place.work_names(f"slots/{lexicon}/file-")]
            found = [tuple(row.values()) for table in tables for row in table.to_pylist()]
            slots = [(row["phrase_id"], dict(row["slots"])) for row in release.expected()]
            assert found == [(one, of[lexicon]) for one, of in slots if lexicon in of]

    def test_a_small_release_is_its_own_sample(self, release: Resolved) -> None:
        tables = [release.place.table(name) for name in release.place.work_names("packed/sample-")]
        assert [row for table in tables for row in table.to_pylist()] == release.expected()

    def test_a_large_one_is_sampled_evenly(self) -> None:
        places, ranks = spread(1_050_000, most=100_000), np.arange(1_050_000)
        assert ranks[in_sample(ranks, places=places)].tolist() == places.tolist()


class TestWhatGoesWrong:
    def test_a_damaged_shard_is_told_in_one_line(self) -> None:
        release = partial()
        key = release.place.plan.shards[0].data_key
        objects_of(release.place.store)[key] = objects_of(release.place.store)[key][:-1] + b"!"
        with pytest.raises(ObjectDamaged, match="shard 0 is not what was committed") as raised:
            pack(release.place, 0)
        assert "\n" not in str(raised.value)
        assert not release.finished()

    def test_a_shard_that_is_gone_is_told(self) -> None:
        release = partial()
        del objects_of(release.place.store)[release.place.plan.shards[1].data_key]
        with pytest.raises(StoreError, match="shard 2 is gone"):
            pack(release.place, 1)

    def test_a_line_break_is_refused_before_anything_is_put(self) -> None:
        release = resolved(shards=(0, 1), shard_rows=100, texts={150: "Two\nlines."})
        with pytest.raises(LineBreakInPhrase, match="phrase 150 has a line break"):
            pack(release.place, 0)
        assert not release.finished()
