import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from phrasemill.errors import PlanError
from phrasemill.fingerprint import fingerprint
from phrasemill.planning import (
    blocks_of,
    format_shards,
    is_top_up,
    night_label,
    night_of,
    nights_begin,
    nights_needed,
    parse_shards,
    shard_of,
    shard_ranges,
    shards_of_night,
    top_up_end,
)
from phrasemill.spec import CorpusSpec
from tests.specs import make_spec

BERLIN = ZoneInfo("Europe/Berlin")


def scheduled(
    cron: str | None, *, start: dt.date = dt.date(2026, 11, 1), timezone: str = "Europe/Berlin"
) -> CorpusSpec:
    return make_spec(schedule={"cron": cron, "start_date": start, "timezone": timezone})


def berlin(*when: int, fold: int = 0) -> dt.datetime:
    return dt.datetime(*when, tzinfo=BERLIN, fold=fold)


def utc(*when: int) -> dt.datetime:
    return dt.datetime(*when, tzinfo=dt.UTC)


class TestNightOfADailySchedule:
    def test_the_start_dates_tick_is_night_0(self) -> None:
        assert night_of(scheduled("0 22 * * *"), berlin(2026, 11, 1, 22)) == 0

    def test_each_date_has_its_own_night(self) -> None:
        spec = scheduled("0 22 * * *")
        first = berlin(2026, 11, 1, 22)
        nights = [night_of(spec, (first + dt.timedelta(days=day)).replace(hour=22)) for day in range(400)]
        assert nights == list(range(400))

    def test_a_night_lasts_until_the_next_tick(self) -> None:
        spec = scheduled("0 22 * * *")
        assert night_of(spec, berlin(2026, 11, 2, 21, 59)) == 0
        assert night_of(spec, berlin(2026, 11, 2, 22)) == 1

    def test_the_dates_own_time_zone_does_not_matter(self) -> None:
        spec = scheduled("0 22 * * *")
        moment = berlin(2026, 11, 5, 22)
        new_york = moment.astimezone(ZoneInfo("America/New_York"))
        assert night_of(spec, moment) == night_of(spec, moment.astimezone(dt.UTC)) == night_of(spec, new_york) == 4

    def test_without_cron_whole_days_of_the_corpuss_zone_count(self) -> None:
        spec = scheduled(None)
        assert night_of(spec, berlin(2026, 11, 1)) == 0
        assert night_of(spec, utc(2026, 11, 1, 22, 59)) == 0  # 23:59 in Berlin
        assert night_of(spec, utc(2026, 11, 1, 23)) == 1

    @pytest.mark.parametrize("cron", ["30 2 * * *", "0 22 * * *", "30 02 * * *", "0  22 * * *"])
    def test_days_of_23_and_of_25_hours_hold_one_night_each(self, cron: str) -> None:
        hour, minute = (2, 30) if "2 *" in cron and "22" not in cron else (22, 0)
        for start, change in [((2026, 3, 27), (2026, 3, 29)), ((2026, 10, 23), (2026, 10, 25))]:
            spec = scheduled(cron, start=dt.date(*start))
            noons = [berlin(*start, 12) + dt.timedelta(days=day) for day in range(5)]
            ran = 0 if (hour, minute) < (12, 0) else -1
            assert [night_of(spec, noon) for noon in noons[1:]] == [day + ran for day in range(1, 5)], change

    def test_a_tick_time_that_comes_twice_means_its_second_coming(self) -> None:
        spec = scheduled("30 2 * * *", start=dt.date(2026, 10, 24))
        assert night_of(spec, berlin(2026, 10, 25, 2, 30, fold=0)) == 0
        assert night_of(spec, berlin(2026, 10, 25, 2, 15, fold=1)) == 0
        assert night_of(spec, berlin(2026, 10, 25, 2, 30, fold=1)) == 1

    def test_a_tick_time_that_never_comes_moves_behind_the_gap(self) -> None:
        spec = scheduled("30 2 * * *", start=dt.date(2026, 3, 28))
        assert night_of(spec, utc(2026, 3, 29, 1, 15)) == 0  # 03:15, the clocks have just gone from 2 to 3
        assert night_of(spec, utc(2026, 3, 29, 1, 30)) == 1

    def test_a_leap_day_is_a_day(self) -> None:
        spec = scheduled("0 22 * * *", start=dt.date(2028, 2, 27))
        days = [(2028, 2, 27), (2028, 2, 28), (2028, 2, 29), (2028, 3, 1)]
        assert [night_of(spec, berlin(*day, 22)) for day in days] == [0, 1, 2, 3]

    def test_a_far_date_is_counted_by_the_calendar(self) -> None:
        spec = scheduled("0 22 * * *", start=dt.date(1970, 1, 1))
        assert night_of(spec, berlin(2969, 12, 31, 22)) == (dt.date(2969, 12, 31) - dt.date(1970, 1, 1)).days


class TestNightOfOtherSchedules:
    def test_weekly(self) -> None:
        spec = scheduled("0 22 * * 5")  # 2026-11-01 is a Sunday
        assert night_of(spec, berlin(2026, 11, 6, 22)) == 0
        assert night_of(spec, berlin(2026, 11, 12, 22)) == 0
        assert night_of(spec, berlin(2026, 11, 13, 22)) == 1

    def test_hourly(self) -> None:
        spec = scheduled("0 * * * *")
        assert night_of(spec, berlin(2026, 11, 1, 0)) == 0
        assert night_of(spec, berlin(2026, 11, 1, 0, 59)) == 0
        assert night_of(spec, berlin(2026, 11, 3, 5)) == 53

    @pytest.mark.parametrize(("day", "hours"), [(dt.date(2026, 3, 29), 23), (dt.date(2026, 10, 25), 25)])
    def test_hourly_goes_by_elapsed_time_when_the_clocks_change(self, day: dt.date, hours: int) -> None:
        spec = scheduled("0 * * * *", start=day)
        next_midnight = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), tzinfo=BERLIN)
        assert night_of(spec, next_midnight) == hours

    def test_leap_days_only(self) -> None:
        spec = scheduled("0 0 29 2 *", start=dt.date(2026, 1, 1))
        assert night_of(spec, berlin(2028, 2, 29)) == 0
        assert night_of(spec, berlin(2032, 2, 28)) == 0
        assert night_of(spec, berlin(2032, 2, 29)) == 1

    def test_two_ticks_a_day(self) -> None:
        spec = scheduled("30 2,14 * * *")
        assert [night_of(spec, berlin(2026, 11, 2, hour, 30)) for hour in (1, 2, 13, 14)] == [1, 2, 2, 3]


class TestDatesWithoutANight:
    @pytest.mark.parametrize("cron", ["0 22 * * *", "0 22 * * 0", "0 22,23 * * *", None])
    def test_before_the_first_tick(self, cron: str | None) -> None:
        with pytest.raises(PlanError, match=r"tiny: .* lies before its first night; start_date is 2026-11-01 \(Europe"):
            night_of(scheduled(cron), berlin(2026, 10, 31, 23, 59))

    def test_on_the_start_date_before_its_tick(self) -> None:
        with pytest.raises(PlanError, match="lies before its first night"):
            night_of(scheduled("0 22 * * *"), berlin(2026, 11, 1, 21, 59))

    def test_without_a_time_zone(self) -> None:
        with pytest.raises(PlanError, match="carries no time zone"):
            night_of(scheduled("0 22 * * *"), dt.datetime(2026, 11, 5))  # noqa: DTZ001


CRONS = [
    "0 22 * * *",
    "30 2 * * *",
    "30 2,14 * * *",
    "15 2,3 * * *",
    "0 1-4 * * *",
    "0 * * * *",
    "*/20 * * * *",
    "0 22 * * 1-5",
    "0 * * * 1",
    "0 0 1 * *",
]
CHANGES = [dt.date(2026, 3, 27), dt.date(2026, 10, 23)]  # the clocks change two days later


class TestWhenNightsBegin:
    @pytest.mark.parametrize("start", CHANGES)
    @pytest.mark.parametrize("cron", CRONS)
    def test_a_night_begins_at_the_first_moment_that_is_its_own(self, cron: str, start: dt.date) -> None:
        spec = scheduled(cron, start=start)
        begins = nights_begin(spec, 80)
        assert len(begins) == 80
        for night in range(1, 80):
            assert night_of(spec, begins[night]) == night
            assert night_of(spec, begins[night] - dt.timedelta(microseconds=1)) == night - 1

    def test_without_cron_nothing_is_scheduled(self) -> None:
        assert nights_begin(scheduled(None), 1) == ()

    @pytest.mark.parametrize("cron", ["0 22 * * *", "0 22 1 * *"])
    def test_no_night_begins_after_the_calendar_ends(self, cron: str) -> None:
        spec = scheduled(cron, start=dt.date(9999, 11, 1))
        begins = nights_begin(spec, 1_000)
        assert begins[0] == berlin(9999, 11, 1, 22)
        assert len(begins) < 1_000

    def test_a_night_is_called_by_its_day_or_by_its_moment(self) -> None:
        assert night_label(scheduled("0 0 * * *"), utc(2026, 11, 4, 23)) == "2026-11-05"
        assert night_label(scheduled(None), utc(2026, 11, 4, 23)) == "2026-11-05"
        assert night_label(scheduled("0 */2 * * *"), berlin(2026, 11, 5, 2)) == "2026-11-05T0100Z"


class TestShardsOfNights:
    def test_each_night_owns_the_next_shards(self) -> None:
        spec = make_spec()
        assert [shards_of_night(spec, night) for night in range(2)] == [[0, 1], [2, 3]]
        assert nights_needed(spec) == 2

    def test_the_last_night_is_cut_at_the_corpuss_end(self) -> None:
        spec = make_spec(schedule={"shards_per_night": 3})
        assert [shards_of_night(spec, night) for night in range(2)] == [[0, 1, 2], [3]]
        assert nights_needed(spec) == 2

    def test_nights_past_the_end_own_nothing(self) -> None:
        assert shards_of_night(make_spec(), 2) == []
        assert shards_of_night(make_spec(), 10**9) == []

    def test_oversampling_adds_shards_at_the_end(self) -> None:
        spec = make_spec(oversample=0.3)  # 4 shards and 1.2 more
        assert spec.shard_count == 6
        assert shards_of_night(spec, 2) == [4, 5]
        assert shard_of(spec, 5).first_id == 300
        assert nights_needed(spec) == 3

    def test_an_oversampling_that_fits_adds_no_shard_by_rounding(self) -> None:
        spec = make_spec(target_phrases=6_000, oversample=0.1)
        assert spec.shard_count == 110

    @pytest.mark.parametrize("shards_per_night", [1, 2, 3, 4, 5, 7, 1024])
    def test_all_nights_together_own_every_shard_once(self, shards_per_night: int) -> None:
        spec = make_spec(target_phrases=60 * 23, schedule={"shards_per_night": shards_per_night})
        owned = [number for night in range(nights_needed(spec)) for number in shards_of_night(spec, night)]
        assert owned == list(range(23))


class TestShardsAndBlocks:
    def test_a_shard_is_a_dense_range_of_ids(self) -> None:
        shard = shard_of(make_spec(), 3)
        assert (shard.label, shard.first_id, shard.rows) == ("shard-00003", 180, 60)

    def test_blocks_cover_their_shard(self) -> None:
        spec = make_spec()
        blocks = blocks_of(spec, shard_of(spec, 1))
        assert [(block.number, block.first_id, block.rows) for block in blocks] == [
            (0, 60, 20),
            (1, 80, 20),
            (2, 100, 20),
        ]

    @pytest.mark.parametrize("number", [-1, 20, 10**6])
    def test_a_shard_that_is_not_there_is_refused(self, number: int) -> None:
        told = rf"tiny has no shard {number}; its shards are 0 to 3, those for topping up a release 4 to 19"
        with pytest.raises(PlanError, match=told):
            shard_of(make_spec(), number)


class TestTopUpShards:
    def test_they_follow_the_corpuss_own_and_no_night_owns_them(self) -> None:
        spec = make_spec(schedule={"shards_per_night": 3})
        assert shard_of(spec, 4).first_id == 240
        assert parse_shards(spec, "3-5") == [3, 4, 5]
        assert [is_top_up(spec, number) for number in (3, 4, 5)] == [False, True, True]
        assert {number for night in range(20) for number in shards_of_night(spec, night)} == {0, 1, 2, 3}

    @pytest.mark.parametrize(("shards", "end"), [(1, 17), (16, 32), (400, 800), (60_000, 100_000), (100_000, 100_000)])
    def test_there_are_as_many_again_and_at_least_sixteen(self, shards: int, end: int) -> None:
        spec = make_spec(target_phrases=20 * shards, shard_phrases=20)
        assert top_up_end(spec) == end
        assert shard_ranges(spec).startswith(f"its shards are 0 to {shards - 1}")
        assert ("topping up" in shard_ranges(spec)) == (end > shards)

    def test_a_higher_oversample_makes_them_the_corpuss_own(self) -> None:
        before, after = make_spec(), make_spec(oversample=0.5)
        assert shard_of(before, 5) == shard_of(after, 5)
        assert (is_top_up(before, 5), is_top_up(after, 5)) == (True, False)
        assert fingerprint(before) == fingerprint(after)


class TestShardLists:
    @pytest.mark.parametrize(
        ("words", "numbers"),
        [
            ("0", [0]),
            ("0-3", [0, 1, 2, 3]),
            ("3, 0-1", [0, 1, 3]),
            ("2,2,1-3", [1, 2, 3]),
            (" 1 - 2 , 3 ", [1, 2, 3]),
            ("3-3", [3]),
            ("003", [3]),
        ],
    )
    def test_words_are_read(self, words: str, numbers: list[int]) -> None:
        assert parse_shards(make_spec(), words) == numbers

    @pytest.mark.parametrize("words", ["", " ", "all", "1;2", "1,", ",1", "1-", "-1", "1--2", "1.5", "1 2", "0x1"])
    def test_other_words_are_refused(self, words: str) -> None:
        with pytest.raises(PlanError, match=r"is not a list of shard numbers; write for example 0-3, 7"):
            parse_shards(make_spec(), words)

    def test_a_backward_range_is_refused_with_the_forward_one(self) -> None:
        with pytest.raises(PlanError, match=r"'3-1' runs backwards; write 1-3"):
            parse_shards(make_spec(), "0, 3-1")

    def test_a_shard_past_the_end_is_refused_before_the_range_is_built(self) -> None:
        with pytest.raises(PlanError, match="no shard 999999999999; its shards are 0 to 3"):
            parse_shards(make_spec(), "0-999999999999")

    @pytest.mark.parametrize(
        ("numbers", "words"),
        [([0], "0"), ([0, 1], "0-1"), ([3, 1, 2, 7], "1-3, 7"), ([5, 5, 3], "3, 5"), ([], "")],
    )
    def test_numbers_are_written_in_the_fewest_words(self, numbers: list[int], words: str) -> None:
        assert format_shards(numbers) == words

    def test_what_is_written_is_read_back(self) -> None:
        spec = make_spec(target_phrases=60 * 12)
        for pattern in range(1, 2**12):
            numbers = [shard for shard in range(12) if pattern >> shard & 1]
            assert parse_shards(spec, format_shards(numbers)) == numbers
