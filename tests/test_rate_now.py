"""The rate of the last minutes: blocks and shards that were saved, over the time they took."""

import math

import pytest

from phrasemill.rate_now import rate_now, running_shards
from phrasemill.spec import CorpusSpec
from tests.snapshots import NOW, ago, entry, saved, snapshot_of
from tests.specs import make_spec


@pytest.fixture
def spec() -> CorpusSpec:
    """Shards of 100 blocks, blocks of 20 phrases."""
    return make_spec(target_phrases=20_000, shard_phrases=2_000, block_phrases=20)


class TestRate:
    def test_even_saves_give_the_rate_at_which_they_came(self, spec: CorpusSpec) -> None:
        rate = rate_now(spec, snapshot_of(staged={0: saved(*range(4, 900, 10))}), now=NOW)
        assert rate is not None
        assert rate.likely == pytest.approx(2.0)
        assert rate.high == pytest.approx(
            2 * (1 + 1 / math.sqrt(59.6)), rel=1e-3
        )  # 596 s of the window hold whole gaps
        assert rate.low == pytest.approx(4 / rate.high)

    def test_shards_side_by_side_add_up(self, spec: CorpusSpec) -> None:
        staged = {number: saved(*range(number, 900, 10)) for number in range(3)}
        rate = rate_now(spec, snapshot_of(staged=staged), now=NOW)
        assert rate is not None
        assert rate.likely == pytest.approx(6.0)

    def test_work_that_has_just_begun_is_measured_from_its_beginning(self, spec: CorpusSpec) -> None:
        rate = rate_now(spec, snapshot_of(staged={0: saved(0, 10, 20)}), now=NOW)
        assert rate is not None
        assert rate.likely == pytest.approx(2.0)
        assert rate.high == pytest.approx(2 * (1 + 1 / math.sqrt(3)))

    def test_one_save_alone_tells_no_rate(self, spec: CorpusSpec) -> None:
        assert rate_now(spec, snapshot_of(staged={0: saved(5)}), now=NOW) is None

    def test_one_save_counts_beside_a_shard_whose_pace_is_known(self, spec: CorpusSpec) -> None:
        rate = rate_now(spec, snapshot_of(staged={0: saved(0, 10, 20), 1: saved(0)}), now=NOW)
        assert rate is not None
        assert rate.likely == pytest.approx((60 + 20) / 30)

    def test_blocks_saved_within_one_second_count_each(self, spec: CorpusSpec) -> None:
        rate = rate_now(spec, snapshot_of(staged={0: saved(0, 0, 10, 10, 20, 20)}), now=NOW)
        assert rate is not None
        assert rate.likely == pytest.approx(4.0)

    def test_a_late_block_slows_it_down(self, spec: CorpusSpec) -> None:
        punctual = rate_now(spec, snapshot_of(staged={0: saved(*range(10, 500, 10))}), now=NOW)
        late = rate_now(spec, snapshot_of(staged={0: saved(*range(110, 600, 10))}), now=NOW)
        assert punctual is not None
        assert late is not None
        assert punctual.likely == pytest.approx(2.0)
        assert late.likely == pytest.approx(2.0 * 500 / 600)

    def test_a_full_shard_that_awaits_its_commit_promises_no_more_blocks(self) -> None:
        small = make_spec()  # 3 blocks a shard
        rate = rate_now(small, snapshot_of(staged={0: saved(30, 40, 50)}), now=NOW)
        assert rate is not None
        assert rate.likely == pytest.approx(60 / 60)  # 30 s of work and 30 s of waiting

    def test_what_was_saved_before_a_pause_is_left_out(self, spec: CorpusSpec) -> None:
        yesterday = [86_400 + seconds for seconds in (0, 10, 20, 30)]
        rate = rate_now(spec, snapshot_of(staged={0: saved(0, 10, 20, *yesterday)}), now=NOW)
        assert rate is not None
        assert rate.likely == pytest.approx(2.0)

    def test_committed_shards_count_by_the_part_of_them_that_lies_in_the_window(self, spec: CorpusSpec) -> None:
        shards = [
            entry(spec, 0, started=ago(1_100), seconds=1_000),  # 2 a second until 100 s ago
            entry(spec, 1, started=ago(100), seconds=100),  # 20 a second since
            entry(spec, 2, started=ago(9_000), seconds=100),
        ]
        rate = rate_now(spec, snapshot_of(shards), now=NOW)
        assert rate is not None
        assert rate.likely == pytest.approx((2 * 500 + 2_000) / 600)

    def test_a_shard_resumed_after_a_pause_counts_by_its_last_seconds(self, spec: CorpusSpec) -> None:
        resumed = entry(spec, 0, started=ago(600), seconds=600).model_copy(update={"started_at": ago(90_000)})
        rate = rate_now(spec, snapshot_of([resumed]), now=NOW)
        assert rate is not None
        assert rate.likely == pytest.approx(2_000 / 600)

    def test_many_saves_leave_an_error_of_two_per_cent(self, spec: CorpusSpec) -> None:
        shards = [entry(spec, number, started=ago(600), seconds=600) for number in range(50)]
        rate = rate_now(spec, snapshot_of(shards), now=NOW)
        assert rate is not None
        assert rate.high / rate.likely == pytest.approx(1.02)
        assert rate.likely / rate.low == pytest.approx(1.02)

    def test_nothing_saved_lately_is_no_rate(self, spec: CorpusSpec) -> None:
        shards = [entry(spec, 0, started=ago(9_000), seconds=60)]
        assert rate_now(spec, snapshot_of(shards, staged={1: saved(3_000, 3_010)}), now=NOW) is None
        assert rate_now(spec, snapshot_of(), now=NOW) is None

    def test_a_server_whose_clock_is_ahead_does_not_spoil_it(self, spec: CorpusSpec) -> None:
        rate = rate_now(spec, snapshot_of(staged={0: saved(*range(-60, 900, 10))}), now=NOW)
        assert rate is not None
        assert rate.likely == pytest.approx(2.0)


class TestRunning:
    def test_a_shard_runs_for_ten_minutes_after_a_save(self) -> None:
        staged = {0: saved(590, 3_000), 1: saved(610, 3_000)}
        assert list(running_shards(snapshot_of(staged=staged), now=NOW)) == [0]

    def test_and_for_longer_where_its_saves_lie_far_apart(self) -> None:
        slow = {0: saved(3_000, 4_800, 6_600, 8_400), 1: saved(6_000, 7_800, 9_600, 11_400)}
        assert list(running_shards(snapshot_of(staged=slow), now=NOW)) == [0]

    def test_but_never_for_days(self) -> None:
        nightly = {0: saved(*(86_400 * night for night in range(1, 7)))}
        assert running_shards(snapshot_of(staged=nightly), now=NOW) == {}

    def test_slow_shards_have_a_rate_too(self) -> None:
        spec = make_spec(target_phrases=20_000, shard_phrases=2_000, block_phrases=20)
        rate = rate_now(spec, snapshot_of(staged={0: saved(*range(600, 12_000, 1_200))}), now=NOW)
        assert rate is not None
        assert rate.likely == pytest.approx(20 / 1_200)
