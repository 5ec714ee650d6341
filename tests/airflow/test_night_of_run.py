"""Which shards a run is for: by its form, by its date, and by nothing at all."""

import datetime as dt

import pytest

from phrasemill.airflow.night import Night, night_of_run
from phrasemill.errors import PlanError
from phrasemill.steps import Workplace
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from tests.servers import S3Server
from tests.specs import make_spec

RUN_AFTER = dt.datetime(2026, 11, 23, 3, 0, tzinfo=dt.UTC)


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    return Bucket(S3Server.client(s3_server.endpoint), S3Server.new_bucket(s3_server.endpoint))


def night(bucket: Bucket, date: dt.datetime | None = None, *, schedule: dict[str, object], **params: object) -> Night:
    spec = make_spec(target_phrases=12_000, schedule=schedule)
    place = Workplace(spec=spec, store=CorpusStore(bucket, spec))
    return night_of_run(place, params=params, logical_date=date, run_after=RUN_AFTER)


class TestByHand:
    def test_without_date_and_form_it_takes_the_first_uncommitted_ones_of_a_night_s_count(self, bucket: Bucket) -> None:
        for number in (0, 2):
            bucket.put(f"corpora/tiny/manifests/shard-{number:05d}.json", b"{}")
        found = night(bucket, schedule={"shards_per_night": 3})
        assert found == Night("manual-2026-11-23T040000", None, [1, 3, 4])

    def test_the_form_wins_over_the_date(self, bucket: Bucket) -> None:
        found = night(bucket, RUN_AFTER, schedule={}, shards="7, 3-4")
        assert (found.number, found.shards) == (None, [3, 4, 7])

    def test_two_forms_at_once_are_refused(self, bucket: Bucket) -> None:
        with pytest.raises(PlanError, match="fill in one of them"):
            night(bucket, schedule={}, shards="1", next_shards=2)


class TestByDate:
    def test_a_date_before_the_first_night_is_refused(self, bucket: Bucket) -> None:
        with pytest.raises(PlanError, match="before its first night; start_date is 2026-11-01"):
            night(bucket, dt.datetime(2026, 10, 31, tzinfo=dt.UTC), schedule={})

    def test_leap_day_is_a_night_of_its_own(self, bucket: Bucket) -> None:
        schedule = {"cron": "0 22 * * *", "timezone": "UTC", "start_date": "2028-02-28"}
        days = [dt.datetime(2028, 2, 28, 22, tzinfo=dt.UTC) + dt.timedelta(days=day) for day in range(3)]
        nights = [night(bucket, day, schedule=schedule) for day in days]
        assert [found.label for found in nights] == ["2028-02-28", "2028-02-29", "2028-03-01"]
        assert [found.shards for found in nights] == [[0, 1], [2, 3], [4, 5]]

    def test_the_hour_that_autumn_repeats_is_two_nights_with_two_names(self, bucket: Bucket) -> None:
        schedule = {"cron": "30 * * * *", "timezone": "Europe/Berlin", "start_date": "2026-10-25"}
        first, second = (
            dt.datetime(2026, 10, 25, hour, 30, tzinfo=dt.UTC) for hour in (0, 1)
        )  # 02:30 in Berlin, twice
        one, other = night(bucket, first, schedule=schedule), night(bucket, second, schedule=schedule)
        assert one.label != other.label
        assert not set(one.shards) & set(other.shards)

    def test_the_day_that_spring_shortens_keeps_its_night(self, bucket: Bucket) -> None:
        schedule = {"cron": "30 2 * * *", "timezone": "Europe/Berlin", "start_date": "2026-03-28"}
        hours = {28: (1, 30), 29: (1, 30), 30: (0, 30)}  # UTC; 02:30 does not come on the 29th, and means 03:30
        days = [dt.datetime(2026, 3, day, *hour, tzinfo=dt.UTC) for day, hour in hours.items()]
        nights = [night(bucket, day, schedule=schedule) for day in days]
        assert [found.label for found in nights] == ["2026-03-28", "2026-03-29", "2026-03-30"]
        assert [found.number for found in nights] == [0, 1, 2]
