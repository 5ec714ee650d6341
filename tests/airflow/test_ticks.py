"""Night numbers against Airflow's own ticks: every run that the scheduler makes is the next night."""

import datetime as dt

import pendulum
import pytest
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable

from phrasemill.planning import night_of, nights_begin
from tests.specs import make_spec

CRONS = [
    "30 2 * * *",  # inside the hour that is skipped in spring and comes twice in autumn
    "0 3 * * *",
    "0 22 * * *",
    "0 0 * * *",
    "30 2 * * 0",  # the clocks change on Sundays
    "30 2,14 * * *",
    "15 2,3 * * *",  # both ticks fall on one instant in spring
    "0 1-4 * * *",
    "0 */2 * * *",
    "0 * * * *",
    "*/30 * * * *",
    "0 22 * * 1-5",
]
STARTS = {  # the day before the clocks change, and days when they go back
    "Europe/Berlin": [dt.date(2026, 3, 28), dt.date(2026, 10, 24), dt.date(2026, 10, 25)],
    "America/New_York": [dt.date(2026, 3, 7), dt.date(2026, 10, 31)],
    "Australia/Lord_Howe": [dt.date(2027, 4, 3), dt.date(2026, 10, 3)],  # by half an hour
    "UTC": [dt.date(2028, 2, 28)],
}


def ticks(cron: str, timezone: str, start: dt.date, count: int) -> list[dt.datetime]:
    timetable = CronTriggerTimetable(cron, timezone=timezone)
    restriction = TimeRestriction(
        earliest=pendulum.datetime(start.year, start.month, start.day, tz=timezone), latest=None, catchup=True
    )
    last: DataInterval | None = None
    found: list[dt.datetime] = []
    while len(found) < count:
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        assert info is not None
        last = info.data_interval
        found.append(info.logical_date)
    return found


@pytest.mark.parametrize(("timezone", "start"), [(zone, start) for zone, days in STARTS.items() for start in days])
@pytest.mark.parametrize("cron", CRONS)
def test_ticks_are_nights_0_1_2_without_gap_or_repeat(cron: str, timezone: str, start: dt.date) -> None:
    spec = make_spec(schedule={"cron": cron, "timezone": timezone, "start_date": start})
    count = 60 if "* * * *" in cron else 10 if cron.endswith("* * *") else 6
    runs = ticks(cron, timezone, start, count)
    assert [night_of(spec, run) for run in runs] == list(range(count))
    assert list(nights_begin(spec, count)) == runs


@pytest.mark.parametrize("cron", CRONS)
def test_just_before_a_tick_it_is_still_the_night_before(cron: str) -> None:
    start = dt.date(2026, 10, 24)
    spec = make_spec(schedule={"cron": cron, "timezone": "Europe/Berlin", "start_date": start})
    for night, run in enumerate(ticks(cron, "Europe/Berlin", start, 55)):
        if night:
            assert night_of(spec, run - dt.timedelta(seconds=1)) == night - 1


def test_nights_of_a_year_follow_airflow_through_both_changes() -> None:
    start = dt.date(2026, 1, 1)
    spec = make_spec(schedule={"cron": "30 2 * * *", "timezone": "Europe/Berlin", "start_date": start})
    runs = ticks("30 2 * * *", "Europe/Berlin", start, 366)
    assert [night_of(spec, run) for run in runs] == list(range(366))
