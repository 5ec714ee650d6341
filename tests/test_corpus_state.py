"""The state of a corpus from hand-made snapshots: words in their order, nights, ETA, cells."""

import datetime as dt
from typing import Any

import pytest

from phrasemill.corpus_state import CorpusState, corpus_state, shard_cells
from phrasemill.snapshot import Snapshot
from phrasemill.spec import CorpusSpec
from tests.snapshots import NOW, ago, entry, saved, snapshot_of
from tests.specs import make_spec

# NOW is noon of 2026-11-20, a Friday. Ten shards of 2,000 phrases, two a night from 2026-11-18 22:00 UTC on:
# nights 0 and 1 are past, nights 2, 3 and 4 begin on the 20th, 21st and 22nd.
TICKS = [dt.datetime(2026, 11, day, 22, tzinfo=dt.UTC) for day in range(18, 23)]


def nightly(**changes: Any) -> CorpusSpec:
    schedule = {"cron": "0 22 * * *", "start_date": dt.date(2026, 11, 18), "timezone": "UTC", "shards_per_night": 2}
    return make_spec(
        target_phrases=20_000,
        shard_phrases=2_000,
        block_phrases=20,
        schedule=schedule | changes.pop("schedule", {}),
        **changes,
    )


def by_hand() -> CorpusSpec:
    return nightly(schedule={"cron": None})


def state_of(spec: CorpusSpec, snapshot: Snapshot, *, now: dt.datetime = NOW) -> CorpusState:
    return corpus_state(spec, snapshot, now=now)


def done(spec: CorpusSpec, *numbers: int, each_s: float = 1_000, **how: Any) -> list[Any]:
    """Shards committed in their nights, one after the other."""
    size = spec.schedule.shards_per_night
    return [
        entry(
            spec,
            number,
            started=TICKS[number // size] + dt.timedelta(seconds=each_s * (number % size)),
            seconds=each_s,
            **how,
        )
        for number in numbers
    ]


class TestWords:
    """Each of these states outranks those below it."""

    def test_complete(self) -> None:
        spec = nightly()
        state = state_of(spec, snapshot_of(done(spec, *range(10)), staged={}))
        assert state.state == "complete"
        assert (state.missing, state.eta, state.next_night, state.left_phrases) == ([], None, None, 0)

    def test_complete_stands_although_the_last_shard_was_written_just_now(self) -> None:
        spec = by_hand()
        shards = [entry(spec, number, started=ago(100), seconds=95) for number in range(10)]
        assert state_of(spec, snapshot_of(shards)).state == "complete"
        assert state_of(spec, snapshot_of(shards)).rate_now is None

    def test_running_and_what_does_not_mend_itself(self) -> None:
        spec = nightly()
        snapshot = snapshot_of(done(spec, 0), staged={2: saved(5, 15), 3: saved(9_000)}, held={1: "too short"})
        assert state_of(spec, snapshot).state == (
            "running: 1 shard; shard 1 quarantined; shard 3 begun, last saved 2026-11-20 09:30"
        )

    def test_a_quarantined_shard_that_is_written_anew_is_running(self) -> None:
        spec = nightly()
        state = state_of(spec, snapshot_of(staged={1: saved(5, 15)}, held={1: "too short"}))
        assert state.state == "running: 1 shard; 2 shards of past nights are missing: backfill them"
        assert [held.shard for held in state.quarantined] == [1]

    def test_between_shards(self) -> None:
        spec = by_hand()
        state = state_of(spec, snapshot_of([entry(spec, 0, started=ago(1_060), seconds=1_000)]))
        assert state.state == "between shards, the last committed at 2026-11-20 11:59"
        later = state_of(spec, snapshot_of([entry(spec, 0, started=ago(1_200), seconds=1_000)]))
        assert later.state == "stopped: 9 shards missing"

    def test_a_night_that_has_just_begun(self) -> None:
        spec = nightly()
        now = TICKS[2] + dt.timedelta(minutes=2)
        assert state_of(spec, snapshot_of(done(spec, *range(4))), now=now).state == (
            "the night of 2026-11-20 22:00 has begun"
        )

    def test_nothing_written_yet(self) -> None:
        assert state_of(by_hand(), snapshot_of()).state == "nothing written yet"
        before = TICKS[0] - dt.timedelta(hours=1)
        assert state_of(nightly(), snapshot_of(), now=before).state == (
            "nothing written yet, waiting for the night of 2026-11-18 22:00"
        )

    def test_waiting_for_the_next_night_that_has_something_to_do(self) -> None:
        spec = nightly()
        state = state_of(spec, snapshot_of(done(spec, *range(4))))
        assert state.state == "waiting for the night of 2026-11-20 22:00"
        assert state.next_night == TICKS[2]
        ahead = state_of(spec, snapshot_of(done(spec, *range(6))))
        assert ahead.state == "waiting for the night of 2026-11-21 22:00"

    def test_nights_are_told_by_the_corpuss_own_clock(self) -> None:
        spec = nightly(schedule={"timezone": "Asia/Tokyo"})
        assert state_of(spec, snapshot_of(done(spec, *range(6)))).state == "waiting for the night of 2026-11-21 22:00"
        assert state_of(spec, snapshot_of(done(spec, *range(6)))).next_night == dt.datetime(
            2026, 11, 21, 13, tzinfo=dt.UTC
        )

    def test_past_nights_are_to_be_backfilled(self) -> None:
        spec = nightly()
        state = state_of(spec, snapshot_of(done(spec, 0, 1, 3)))
        assert state.left_behind == [2]
        assert state.state == (
            "waiting for the night of 2026-11-20 22:00; 1 shard of past nights is missing: backfill it"
        )
        over = state_of(spec, snapshot_of(done(spec, 0, 1, 3)), now=TICKS[4] + dt.timedelta(hours=2))
        assert over.state == "stopped: 7 shards of past nights are missing: backfill them"

    def test_a_dag_that_catches_up_runs_them_by_itself(self) -> None:
        spec = nightly()
        spec = spec.model_copy(update={"schedule": spec.schedule.model_copy(update={"catchup": True})})
        state = state_of(spec, snapshot_of(done(spec, 0, 1, 3)))
        assert state.state.endswith("1 shard of past nights is missing: unpause the Dag, or backfill it")

    def test_stopped(self) -> None:
        spec = by_hand()
        assert state_of(spec, snapshot_of(done(spec, 0), held={7: "too short"})).state == "stopped: shard 7 quarantined"
        assert state_of(spec, snapshot_of(done(spec, 0), staged={1: saved(9_000), 2: saved(9_999)})).state == (
            "stopped: shards 1-2 begun, last saved 2026-11-20 09:30"
        )
        assert state_of(spec, snapshot_of(done(spec, 0))).state == "stopped: 9 shards missing"

    def test_many_scattered_shards_are_counted_and_not_named(self) -> None:
        spec = make_spec(target_phrases=60_000, shard_phrases=60, schedule={"cron": None})
        held = dict.fromkeys(range(0, 1_000, 2), "too short")
        assert state_of(spec, snapshot_of(held=held)).state == "stopped: 500 shards quarantined"
        together = dict.fromkeys(range(500), "too short")
        assert state_of(spec, snapshot_of(held=together)).state == "stopped: shards 0-499 quarantined"


class TestFigures:
    def test_sums_and_shares(self) -> None:
        spec = nightly(oversample=0.2)
        state = state_of(spec, snapshot_of(done(spec, 0, 1), staged={2: saved(5, 15), 3: saved(9_000)}))
        assert (state.shards, state.committed_shards, state.phrases) == (12, 2, 4_000)
        assert (state.chars, state.text_bytes) == (240_000, 244_000)
        assert state.target_share == pytest.approx(0.2)
        assert state.missing == list(range(2, 12))
        assert state.left_phrases == 10 * 2_000 - 3 * 20
        assert [(one.shard, one.phrases, one.rows) for one in state.running] == [(2, 40, 2_000)]
        assert [(one.shard, one.phrases) for one in state.begun] == [(3, 20)]

    def test_shards_beyond_the_corpuss_own_are_told_apart_and_belong_to_no_night(self) -> None:
        spec = nightly(schedule={"shards_per_night": 4})
        state = state_of(spec, snapshot_of([*done(spec, *range(10)), entry(spec, 11)]))
        assert state.state == "complete"
        assert (state.shards, state.committed_shards, state.phrases) == (10, 10, 22_000)
        assert (state.top_ups.shards, state.top_ups.phrases) == ([11], 2_000)
        assert state.nights[-1].committed == 2

    def test_it_reads_back_from_its_json(self) -> None:
        spec = nightly()
        state = state_of(spec, snapshot_of(done(spec, 0), staged={1: saved(5, 15)}, held={2: "too short"}))
        assert CorpusState.model_validate_json(state.model_dump_json()) == state


class TestNights:
    def test_each_night_has_its_line(self) -> None:
        spec = nightly()
        state = state_of(spec, snapshot_of(done(spec, 0, 1, 2, rejected=500), held={3: "too short"}))
        first, second, third = state.nights[:3]
        assert (first.number, first.label, first.begins, first.shards) == (0, "2026-11-18", TICKS[0], (0, 1))
        assert (first.committed, first.phrases, first.state) == (2, 4_000, "complete")
        assert (first.started_at, first.finished_at) == (TICKS[0], TICKS[0] + dt.timedelta(seconds=2_000))
        assert first.phrases_per_second == pytest.approx(2.0)
        assert first.reject_share == pytest.approx(0.2)
        assert (second.committed, second.quarantined, second.state) == (1, 1, "incomplete: 1 shard quarantined")
        assert (third.phrases_per_second, third.reject_share, third.state) == (None, None, "to come")
        assert state.last_night == second

    def test_shards_side_by_side_are_not_timed_twice(self) -> None:
        spec = by_hand()
        shards = [entry(spec, number, started=ago(9_000), seconds=1_000) for number in range(2)]
        assert state_of(spec, snapshot_of(shards)).nights[0].phrases_per_second == pytest.approx(4.0)

    def test_the_last_night_is_the_one_worked_on_last(self) -> None:
        spec = nightly()
        backfilled = entry(spec, 1, started=ago(4_000), seconds=1_000)
        state = state_of(spec, snapshot_of([*done(spec, 0, 2, 3), backfilled]))
        assert state.last_night == state.nights[0]
        running = state_of(spec, snapshot_of([*done(spec, 0, 2, 3), backfilled], staged={9: saved(5, 15)}))
        assert running.last_night == running.nights[4]
        assert running.nights[4].state == "running: 1 shard"

    def test_without_cron_nights_have_numbers(self) -> None:
        spec = by_hand()
        night = state_of(spec, snapshot_of(done(spec, 0))).nights[0]
        assert (night.label, night.begins, night.state) == ("night 0", None, "1 shard missing")


class TestEta:
    def test_running_without_a_schedule_goes_by_the_rate_now(self) -> None:
        spec = by_hand()
        state = state_of(spec, snapshot_of(staged={0: saved(*range(0, 900, 10))}))
        assert state.rate_now is not None
        assert state.eta is not None
        assert state.left_phrases == 20_000 - 90 * 20
        assert state.eta.seconds.likely == pytest.approx(18_200 / 2)
        assert state.eta.seconds.low == pytest.approx(18_200 / state.rate_now.high)
        assert state.eta.seconds.high == pytest.approx(18_200 / state.rate_now.low)
        assert state.eta.at.likely == NOW + dt.timedelta(seconds=9_100)
        assert state.eta.words == "at the rate of the last minutes"

    def test_waiting_goes_by_the_schedule_and_the_length_of_earlier_nights(self) -> None:
        spec = nightly()
        state = state_of(spec, snapshot_of(done(spec, *range(4))))
        assert state.eta is not None
        assert state.eta.at.likely == TICKS[4] + dt.timedelta(seconds=2_000)
        assert TICKS[4] < state.eta.at.earliest < state.eta.at.likely < state.eta.at.latest
        assert state.eta.seconds.likely == pytest.approx((TICKS[4] - NOW).total_seconds() + 2_000)
        assert state.eta.words == "3 nights to come, at the rate of earlier nights"

    def test_nights_that_differ_widen_the_last_nights_length(self) -> None:
        spec = nightly()

        def width(other_s: float) -> float:
            shards = [*done(spec, 0, 1), *done(spec, 2, 3, each_s=other_s)]
            eta = state_of(spec, snapshot_of(shards)).eta
            assert eta is not None
            return eta.seconds.high - eta.seconds.low

        assert width(3_000) > 2 * width(1_000)

    def test_nights_that_are_too_short_run_into_each_other(self) -> None:
        spec = nightly()
        state = state_of(spec, snapshot_of(done(spec, 0, 1, each_s=50_000)))  # 28 hours a night
        assert state.eta is not None
        assert state.eta.at.likely == TICKS[2] + dt.timedelta(seconds=3 * 100_000)

    def test_running_in_a_night_with_others_to_come(self) -> None:
        spec = nightly()
        now = TICKS[2] + dt.timedelta(seconds=900)
        staged = {4: saved(*range(0, 900, 10))}
        shifted = {4: type(staged[4])(90, now, tuple(t + (now - NOW) for t in staged[4].saves))}
        state = state_of(spec, snapshot_of(done(spec, *range(4)), staged=shifted), now=now)
        assert state.eta is not None
        assert state.eta.at.likely == TICKS[4] + dt.timedelta(seconds=2_000)
        assert state.eta.words == "2 nights to come, at the rate of earlier nights"

    def test_shards_left_behind_put_off_no_night_to_come(self) -> None:
        spec = nightly()
        whole = state_of(spec, snapshot_of(done(spec, 0, 1, 2, 3))).eta
        behind = state_of(spec, snapshot_of(done(spec, 0, 1))).eta
        assert whole is not None
        assert behind is not None
        assert behind.at.likely == whole.at.likely

    def test_when_all_nights_are_past_it_says_what_a_backfill_would_take(self) -> None:
        spec = nightly()
        state = state_of(spec, snapshot_of(done(spec, *range(6))), now=TICKS[4] + dt.timedelta(days=2))
        assert state.eta is not None
        assert state.eta.seconds.likely == pytest.approx(8_000 / 2)
        assert state.eta.words == "if past nights were backfilled now, at the rate of what is committed"

    def test_by_hand_it_supposes_that_work_goes_on(self) -> None:
        spec = by_hand()
        state = state_of(spec, snapshot_of(done(spec, 0, 1)))
        assert state.eta is not None
        assert state.eta.seconds.likely == pytest.approx(16_000 / 2)
        assert state.eta.words == "if it went on without a pause, at the rate of what is committed"

    def test_nothing_is_known_of_a_corpus_that_never_ran(self) -> None:
        assert state_of(nightly(), snapshot_of(), now=TICKS[0] - dt.timedelta(hours=1)).eta is None
        assert state_of(by_hand(), snapshot_of(staged={0: saved(5)})).eta is None

    def test_a_hopelessly_slow_corpus_has_an_eta_that_the_calendar_holds(self) -> None:
        spec = make_spec(target_phrases=10**10, shard_phrases=10**6, block_phrases=10**5, schedule={"cron": None})
        state = state_of(spec, snapshot_of([entry(spec, 0, started=ago(10**8), seconds=9 * 10**7)]))
        assert state.eta is not None
        assert state.eta.at.latest.year == 3026


class TestCells:
    def test_every_shard_has_one_in_the_order_of_numbers(self) -> None:
        spec = nightly()
        snapshot = snapshot_of(
            [*done(spec, 0), entry(spec, 1, started=TICKS[0], by_hand=True)],
            staged={2: saved(5, 15), 3: saved(9_000), 5: saved(9_000)},
            held={2: "too short", 4: "too short", 5: "too short"},
        )
        cells = shard_cells(spec, snapshot, now=NOW)
        assert [(cell.shard, cell.night) for cell in cells] == [(number, number // 2) for number in range(10)]
        assert [cell.state for cell in cells[:7]] == [
            "committed",
            "committed",
            "running",
            "begun",
            "quarantined",
            "quarantined",
            "missing",
        ]
        assert cells[0].detail == "2,000 phrases, committed 2026-11-18 22:16"
        assert cells[1].detail == "2,000 phrases, committed 2026-11-18 22:01, accepted from quarantine"
        assert cells[2].detail == "2 of 100 blocks saved, the last 2026-11-20 11:59"
        assert cells[4].detail == "2026-11-19T23:00:00+00:00: too short"
        assert cells[5].detail.endswith("too short; since then 1 of 100 blocks saved, the last 2026-11-20 09:30")
        assert cells[6].detail == "nothing saved"

    @pytest.mark.parametrize("count", [0, 3, 10])
    def test_cells_and_state_tell_the_same(self, count: int) -> None:
        spec = nightly()
        snapshot = snapshot_of(done(spec, *range(count)), staged={9: saved(5, 15)} if count < 10 else {})
        cells, state = shard_cells(spec, snapshot, now=NOW), state_of(spec, snapshot)
        assert [cell.shard for cell in cells if cell.state != "committed"] == state.missing
        assert [cell.shard for cell in cells if cell.state == "running"] == [one.shard for one in state.running]
