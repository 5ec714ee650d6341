"""Kept rows: which they are, and the place of each among all, whatever shards are missing."""

import numpy as np
import pytest

from phrasemill.release.errors import ReleaseError, WorkMissing
from phrasemill.release.kept import KeptRows, file_count, kept_rows
from tests.release.committing import objects_of
from tests.release.packing import Resolved, resolved, some

DROPPED = some(range(2_400)) | {0, 999, 1_000, 1_999}


@pytest.fixture(scope="module")
def release() -> Resolved:
    """Shards 1 and 4 are not written yet, and the target is reached within shard 5."""
    return resolved(shards=(0, 2, 3, 5), shard_rows=400, drop=DROPPED, target=1_300)


class TestWhichRows:
    def test_a_mask_of_each_shard_marks_them(self, release: Resolved) -> None:
        marked = [
            shard.first_id + index
            for shard in release.place.plan.shards
            for index in np.flatnonzero(release.rows_kept.mask(shard)).tolist()
        ]
        assert marked == release.kept

    def test_any_ids_may_be_asked_for(self, release: Resolved) -> None:
        ids = np.arange(-5, 3_000)
        assert ids[release.rows_kept.contains(ids)].tolist() == release.kept

    def test_their_rows_come_whole(self, release: Resolved) -> None:
        shard = release.place.plan.shards[1]
        rows = kept_rows(release.place, release.rows_kept, shard)
        mine = [one for one in release.kept if shard.first_id <= one < shard.first_id + shard.rows]
        assert 0 < len(mine) < shard.rows
        assert rows.to_pylist() == release.expected(mine)

    def test_a_shard_beyond_the_target_is_not_read(self) -> None:
        short = resolved(shards=(0, 1), shard_rows=100, target=80)
        beyond = short.place.plan.shards[1]
        del objects_of(short.place.store)[beyond.data_key]
        assert kept_rows(short.place, short.rows_kept, beyond).num_rows == 0


class TestPlaces:
    def test_kept_phrases_count_from_nought(self, release: Resolved) -> None:
        assert release.rows_kept.rank(np.array(release.kept)).tolist() == list(range(1_300))

    def test_other_ids_have_the_number_of_kept_ones_below(self, release: Resolved) -> None:
        ids = np.arange(-5, 3_000)
        expected = [sum(one < asked for one in release.kept) for asked in range(-5, 3_000)]
        assert release.rows_kept.rank(ids).tolist() == expected

    @pytest.mark.parametrize(("first", "last"), [(0, 1), (0, 1_300), (369, 371), (1_000, 1_300), (1_299, 1_300)])
    def test_the_shards_of_a_run_of_places_are_found(self, release: Resolved, first: int, last: int) -> None:
        found = [shard.shard for shard in release.rows_kept.shards_between(first, last)]
        assert found == sorted({one // 400 for one in release.kept[first:last]})


class TestWhatDoesNotFit:
    def test_a_table_of_another_try_is_told(self) -> None:
        release = resolved(shards=(0,), shard_rows=100, drop={5, 6})
        told = release.place.json("kept.json")
        release.place.put_json("kept.json", told | {"kept": 97})
        with pytest.raises(WorkMissing, match=r"leaves 98 phrases up to id 99, and kept\.json tells of 97") as raised:
            read(release)
        assert "\n" not in str(raised.value)

    def test_a_missing_table_is_told(self) -> None:
        release = resolved(shards=(0,), shard_rows=100)
        del objects_of(release.place.store)[release.place.keys.file("dropped.parquet")]
        with pytest.raises(WorkMissing, match=r"dropped\.parquet is not there"):
            read(release)

    def test_before_duplicates_are_resolved_nothing_is_known(self) -> None:
        release = resolved(shards=(0,), shard_rows=100)
        objects = objects_of(release.place.store)
        del objects[next(key for key in objects if key.endswith("kept.json"))]
        with pytest.raises(WorkMissing, match="run the release again"):
            read(release)

    def test_a_release_of_nothing_is_refused(self) -> None:
        release = resolved(shards=(0,), shard_rows=100, drop=set(range(100)))
        with pytest.raises(ReleaseError, match="keeps no phrase"):
            read(release)


class TestFileCount:
    def count(self, *, mebi: float, kept: int, committed: int = 10_000_000, file_mebi: int = 128) -> int:
        release = resolved(shards=(0,), shard_rows=100, file_bytes=file_mebi * 2**20)
        shard = release.place.plan.shards[0].model_copy(update={"data_bytes": int(mebi * 2**20)})
        plan = release.place.plan.model_copy(update={"shards": (shard,)})
        return file_count(plan, {"kept": kept, "committed": committed})

    def test_what_fits_in_one_file_is_one(self) -> None:
        assert self.count(mebi=150, kept=10_000_000) == 1

    def test_more_is_cut_into_files_of_that_size_at_most(self) -> None:
        assert self.count(mebi=151, kept=10_000_000) == 2
        assert self.count(mebi=600, kept=9_500_000) == 4

    def test_a_file_has_a_thousand_phrases_at_least(self) -> None:
        assert self.count(mebi=150, kept=2_500, committed=2_500, file_mebi=1) == 2
        assert self.count(mebi=150, kept=10, committed=10, file_mebi=1) == 1


def read(release: Resolved) -> KeptRows:
    return KeptRows.read(release.place)
