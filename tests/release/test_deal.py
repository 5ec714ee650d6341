"""The shuffled order: every kept row once, in an order that seed and ids alone decide."""

import tempfile

import numpy as np
import pytest

from phrasemill.errors import ObjectDamaged
from phrasemill.release.deal import deal, dealt
from phrasemill.release.errors import WorkMissing
from phrasemill.release.order_hash import order_hash
from phrasemill.release.pack import files_of, pack
from tests.release.committing import objects_of
from tests.release.packing import Resolved, resolved, some

SMALL_FILES = 2**16
DROPPED = some(range(4_000))


def shuffled(*, spans: tuple[tuple[int, int], ...] | None = None, seed: int = 7) -> Resolved:
    return resolved(drop=DROPPED, order="shuffled", seed=seed, file_bytes=SMALL_FILES, spans=spans)


def packed(release: Resolved, *, backwards: bool = False) -> Resolved:
    steps = list(range(len(release.place.plan.cuts.spans)))
    files = list(files_of(release.place))
    for span in steps[::-1] if backwards else steps:
        deal(release.place, span)
    for file in files[::-1] if backwards else files:
        pack(release.place, file)
    return release


@pytest.fixture(scope="module")
def release() -> Resolved:
    return packed(shuffled())


class TestHash:
    def test_it_is_splitmix64(self) -> None:
        # The first numbers of the reference implementation, seeded with 1234567.
        assert order_hash(np.arange(5), seed=1234567).tolist() == [
            6457827717110365317,
            3203168211198807973,
            9817491932198370423,
            4593380528125082431,
            16408922859458223821,
        ]

    def test_ids_of_billions_have_their_own(self) -> None:
        ids = np.concatenate([np.arange(100_000), np.arange(2**40, 2**40 + 100_000)])
        assert len(np.unique(order_hash(ids, seed=2**32 - 1))) == 200_000


class TestOrder:
    def test_every_kept_row_comes_once_and_whole(self, release: Resolved) -> None:
        assert len(files_of(release.place)) == 3
        rows = sorted(release.data(), key=lambda row: row["phrase_id"])
        assert rows == release.released()

    def test_it_is_that_of_the_hash_over_all_files(self, release: Resolved) -> None:
        hashes = order_hash(np.array([row["phrase_id"] for row in release.data()]), seed=7).tolist()
        assert hashes == sorted(hashes)

    def test_neighbours_come_from_all_over(self, release: Resolved) -> None:
        ids = np.array([row["phrase_id"] for row in release.data()])
        assert np.abs(np.diff(ids)).mean() > 1_000  # a third of 4,000 where they are independent

    def test_another_seed_is_another_order(self, release: Resolved) -> None:
        other = packed(shuffled(seed=8))
        assert [row["phrase_id"] for row in other.data()] != [row["phrase_id"] for row in release.data()]
        assert sorted(other.lines()) == sorted(release.lines())

    def test_lines_are_in_the_order_of_rows(self, release: Resolved) -> None:
        assert release.lines() == [row["text"] for row in release.data()]


class TestSameBytes:
    def test_whatever_the_order_of_the_steps(self, release: Resolved) -> None:
        assert packed(shuffled(), backwards=True).finished() == release.finished()

    def test_whatever_the_spans(self, release: Resolved) -> None:
        assert packed(shuffled(spans=((0, 3), (3, 4)))).finished() == release.finished()

    def test_whatever_is_sorted_at_once(self) -> None:
        release = resolved(shards=(0, 1), shard_rows=6_000, order="shuffled", spans=((0, 2),))
        assert deal(release.place, 0) == {"span": 0, "rows": 12_000}
        with tempfile.TemporaryFile() as spool, tempfile.TemporaryFile() as other:
            count, whole = dealt(release.place, 0, files=1, spool=spool)
            _, parts = dealt(release.place, 0, files=1, spool=other, pass_rows=700)
            tables = list(parts)
            assert count == 12_000
            assert len(tables) == 18
            assert [row for table in tables for row in table.to_pylist()] == next(whole).to_pylist()


class TestDealing:
    def test_again_does_no_work_and_tells_the_same(self) -> None:
        release = shuffled()
        told = deal(release.place, 1)
        assert told == {"span": 1, "rows": len([one for one in release.kept if 1_000 <= one < 2_000])}
        objects_of(release.place.store).pop(release.place.plan.shards[1].data_key)
        assert deal(release.place, 1) == told

    def test_one_that_was_killed_is_done_again(self, release: Resolved) -> None:
        again = shuffled()
        deal(again.place, 1)
        objects = objects_of(again.place.store)
        for key in [key for key in objects if "/deal/file-" in key][1:]:
            del objects[key]
        assert packed(again).finished() == release.finished()

    def test_a_span_beyond_the_target_leaves_empty_pieces(self) -> None:
        release = resolved(shards=(0, 1), shard_rows=100, target=80, order="shuffled")
        assert deal(release.place, 1) == {"span": 1, "rows": 0}
        assert len(packed(release).data()) == 80

    def test_a_span_that_was_not_dealt_is_told(self) -> None:
        release = shuffled()
        deal(release.place, 0)
        with pytest.raises(WorkMissing, match="span-00001"):
            pack(release.place, 0)

    def test_a_piece_of_another_file_is_told(self) -> None:
        release = shuffled()
        for span in range(4):
            deal(release.place, span)
        pieces = [f"deal/file-{file:05d}/span-00002.parquet" for file in range(2)]
        release.place.put_work(pieces[1], release.place.work(pieces[0]))
        with pytest.raises(WorkMissing, match=r"file 1 of release v1 has \d+ rows of \d+"):
            pack(release.place, 1)
        assert not release.finished()

    def test_a_damaged_shard_is_told_in_one_line(self) -> None:
        release = shuffled()
        objects_of(release.place.store)[release.place.plan.shards[2].data_key] = b"PAR1"
        with pytest.raises(ObjectDamaged, match=r"shard 2 is not what was committed") as raised:
            deal(release.place, 2)
        assert "\n" not in str(raised.value)
