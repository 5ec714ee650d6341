import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from phrasemill.forecast.backwards import DeadlineError, Fit, finish_of, nights_before, which_fit
from phrasemill.forecast.model import NightTooShort
from phrasemill.forecast.question import Evidence, Measured, Question, Target

BERLIN = ZoneInfo("Europe/Berlin")
TEN_AT_NIGHT = dt.time(22, 0)
TWO_GPUS = Question(target=Target(phrases=1e7), gpus=2, hours_a_night=6)


def berlin(day: int, hour: int, minute: int = 0, *, month: int = 11) -> dt.datetime:
    return dt.datetime(2026, month, day, hour, minute, tzinfo=BERLIN)


FRIDAY = berlin(27, 8)


def finish(useful_s: float, now: dt.datetime, *, hours: float | None = 6, start_s: float = 0) -> dt.datetime | None:
    return finish_of(useful_s, start_s, now=now, night_starts=TEN_AT_NIGHT, hours_a_night=hours)


class TestWhenWorkIsDone:
    def test_it_begins_with_the_night(self):
        assert finish(3600, berlin(25, 12)) == berlin(25, 23)

    def test_what_a_night_cannot_hold_waits_for_the_next(self):
        assert finish(7 * 3600, berlin(25, 12)) == berlin(26, 23)

    def test_a_night_that_is_just_long_enough_is_enough(self):
        assert finish(6 * 3600, berlin(25, 12)) == berlin(26, 4)

    def test_the_night_under_way_counts_with_what_is_left(self):
        assert finish(2 * 3600, berlin(26, 3)) == berlin(26, 23)
        assert finish(1800, berlin(26, 3)) == berlin(26, 3, 30)

    def test_each_night_loses_its_start(self):
        assert finish(6 * 3600, berlin(25, 12), start_s=600) == berlin(26, 22, 20)

    def test_a_night_that_is_nearly_over_gives_nothing(self):
        assert finish(3600, berlin(26, 3, 55), start_s=600) == berlin(26, 23, 10)

    def test_many_whole_nights_are_counted_not_walked(self):
        day = berlin(25, 12).date() + dt.timedelta(days=100_000)
        done = finish(100_000 * 6 * 3600 + 3600, berlin(25, 12))
        assert done == dt.datetime.combine(day, dt.time(23, 0), tzinfo=BERLIN)

    def test_beyond_the_calendar_there_is_no_moment(self):
        assert finish(1e15, berlin(25, 12)) is None
        assert finish(1e15, berlin(25, 12), hours=None) is None
        assert finish(1, berlin(25, 12), hours=0.1, start_s=400) is None

    def test_without_nights_it_goes_on(self):
        assert finish(3600, berlin(25, 12), hours=None, start_s=60) == berlin(25, 13, 1)

    def test_a_night_in_which_clocks_go_back_is_six_real_hours(self):
        """On 25 October 2026 at three it is two again, so six hours from ten end at three."""
        done = finish(6 * 3600, berlin(24, 12, month=10))
        assert done is not None
        assert done.astimezone(dt.UTC) == berlin(24, 22, month=10).astimezone(dt.UTC) + dt.timedelta(hours=6)
        assert done.hour == 3

    def test_an_hour_that_comes_twice_is_not_taken_for_the_first(self):
        """The night of 25 October from 02:30 has begun half an hour before the second two o'clock."""
        second_two = berlin(25, 2, month=10).replace(fold=1)
        begins = dt.time(2, 30)
        done = finish_of(1800, 0, now=second_two, night_starts=begins, hours_a_night=6)
        assert done is not None
        assert done.timestamp() == second_two.timestamp() + 1800


class TestNightsLeft:
    @pytest.mark.parametrize(
        ("now", "deadline", "nights"),
        [
            (berlin(25, 12), FRIDAY, 2),
            (berlin(25, 12), berlin(27, 23), 3),
            (berlin(25, 12), berlin(27, 22), 2),
            (berlin(26, 3), FRIDAY, 2),  # one under way, one to come
            (berlin(26, 4), FRIDAY, 1),
            (berlin(27, 5), FRIDAY, 0),
            (berlin(27, 3), FRIDAY, 1),
            (berlin(26, 23), FRIDAY, 1),
        ],
    )
    def test_only_those_between_now_and_the_deadline(self, now: dt.datetime, deadline: dt.datetime, nights: int):
        assert nights_before(deadline, now=now, night_starts=TEN_AT_NIGHT, hours_a_night=6) == nights


class TestWhichFit:
    def by_pair(self, **changes: object) -> dict[tuple[str, str], Fit]:
        given = {"deadline": FRIDAY, "now": berlin(25, 12), **changes}
        return {(fit.model, fit.profile): fit for fit in which_fit(TWO_GPUS, **given)}

    def test_every_model_with_every_profile_for_it(self):
        pairs = self.by_pair()
        assert ("qwen2.5-7b", "80gb-hopper-7b") in pairs
        assert ("smollm2-135m", "cpu-0.1b") in pairs
        assert not any(profile.startswith("cpu") for model, profile in pairs if "7b" in model)

    def test_two_h100_write_ten_million_with_7b_in_two_nights_and_two_cpus_do_not(self):
        """At 656 x 1.97 outputs a second a phrase accepted of 0.85 takes 2.5 h: within a night, with room."""
        pairs = self.by_pair()
        assert pairs["qwen2.5-7b", "80gb-hopper-7b"].verdict == "fits"
        assert pairs["qwen2.5-0.5b", "cpu-0.5b"].verdict == "does not fit"

    def test_verdicts_follow_from_the_moments(self):
        for fit in which_fit(TWO_GPUS, deadline=FRIDAY, now=berlin(25, 12)):
            latest, earliest = fit.finishes.latest, fit.finishes.earliest
            in_time = latest is not None and latest <= FRIDAY
            perhaps = earliest is not None and earliest <= FRIDAY
            assert fit.verdict == ("fits" if in_time else "may fit" if perhaps else "does not fit")
            assert fit.nights_left == 2

    def test_best_first_the_larger_model_of_those_that_fit(self):
        fits = which_fit(TWO_GPUS, deadline=FRIDAY, now=berlin(25, 12))
        verdicts = [("fits", "may fit", "does not fit").index(fit.verdict) for fit in fits]
        assert verdicts == sorted(verdicts)
        assert fits[0].model == "qwen2.5-7b"
        assert fits[-1].profile.startswith("cpu")

    def test_less_time_never_fits_more(self):
        long, short = self.by_pair(), self.by_pair(now=berlin(26, 23))
        order = ("fits", "may fit", "does not fit")
        assert all(order.index(short[pair].verdict) >= order.index(long[pair].verdict) for pair in long)
        assert {fit.verdict for fit in short.values()} != {
            fit.verdict for fit in self.by_pair(now=berlin(27, 5)).values()
        }

    def test_after_the_last_night_nothing_fits(self):
        assert {fit.verdict for fit in self.by_pair(now=berlin(27, 5)).values()} == {"does not fit"}

    def test_zones_of_now_and_deadline_may_differ(self):
        elsewhere = self.by_pair(now=berlin(25, 12).astimezone(ZoneInfo("Asia/Tokyo")))
        assert elsewhere == self.by_pair()

    def test_without_nights_it_starts_now(self):
        asked = TWO_GPUS.model_copy(update={"hours_a_night": None})
        fits = which_fit(asked, deadline=FRIDAY, now=berlin(27, 3))
        assert fits[0].nights_left is None and fits[0].verdict == "fits"

    def test_evidence_is_of_its_own_pair_only(self):
        slow = Evidence(phrases_per_s=Measured(value=1.0, source="a test that measured it"))
        pairs, plain = self.by_pair(evidence=slow), self.by_pair()
        assert pairs["qwen2.5-1.5b", "80gb-hopper-1.5b"].verdict == "does not fit"
        assert pairs["qwen2.5-7b", "80gb-hopper-7b"] == plain["qwen2.5-7b", "80gb-hopper-7b"]

    def test_a_deadline_in_an_hour_that_comes_twice_is_its_own(self):
        deadline = berlin(25, 2, 30, month=10)
        asked = Question(target=Target(phrases=1), start_s=3600)
        fits = which_fit(asked, deadline=deadline, now=deadline - dt.timedelta(minutes=1))
        assert {fit.verdict for fit in fits} == {"does not fit"}

    def test_a_deadline_that_is_past_or_has_no_zone_is_told(self):
        with pytest.raises(DeadlineError, match="not after now"):
            which_fit(TWO_GPUS, deadline=FRIDAY, now=FRIDAY)
        with pytest.raises(DeadlineError, match="time zone"):
            which_fit(TWO_GPUS, deadline=FRIDAY.replace(tzinfo=None), now=berlin(25, 12))

    def test_a_night_too_short_to_start_engines_is_told(self):
        short = TWO_GPUS.model_copy(update={"hours_a_night": 0.05})
        with pytest.raises(NightTooShort):
            which_fit(short, deadline=FRIDAY, now=berlin(25, 12))
