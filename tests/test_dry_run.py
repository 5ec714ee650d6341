"""The dry run: what shards take, reckoned before a model is asked, from the best evidence there is."""

import datetime as dt
from collections.abc import Mapping

import pyarrow as pa
import pytest

from phrasemill.dry_run.estimate import UNKNOWN_AS, Estimate, nights_for
from phrasemill.dry_run.figures import Asking
from phrasemill.dry_run.looking import dry_run
from phrasemill.dry_run.telling import budget_words
from phrasemill.dry_run.words import dry_run_lines
from phrasemill.errors import PlanError
from phrasemill.facts import Facts
from phrasemill.forecast.question import Evidence, Measured
from phrasemill.limit_settings import ApiLimits
from phrasemill.planning import blocks_of, shard_of
from phrasemill.ranges import Range
from phrasemill.steps import Workplace, left_behind
from phrasemill.store.bucket import Bucket
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.quarantine import quarantine_shard
from phrasemill.store.staging import ShardStaging
from tests.servers import S3Server
from tests.specs import make_spec
from tests.store.rows import block_rows, facts_of

PRICE = {"currency": "USD", "per_million_prompt_tokens": 1.0, "per_million_completion_tokens": 4.0}


def known(value: float) -> Measured:
    return Measured(value=Range.exactly(value), source="4 shards committed since 2026-11-20")


MEASURED = Evidence(accept_share=known(0.5), prompt_tokens_per_output=known(80), completion_tokens_per_output=known(30))


def amounts_of(
    limits: Mapping[str, object] | None = None, *, phrases: int = 60, asking: Asking | None = None, **changes
):
    spec = make_spec(price=PRICE, engines={"limits": limits}, **changes)
    return Estimate(spec, MEASURED, asking=asking or Asking()).amounts(phrases)


class TestWhatPhrasesTake:
    def test_rejected_answers_are_asked_for_again_and_paid(self) -> None:
        found = amounts_of()
        assert found.requests.likely == pytest.approx(120)
        assert found.prompt_tokens.likely == pytest.approx(120 * 80)
        assert found.completion_tokens.likely == pytest.approx(120 * 30)
        assert found.reject_share == Range.exactly(0.5)
        assert found.money is not None
        assert found.money.likely == pytest.approx((9600 + 4 * 3600) / 1e6)

    def test_first_attempts_share_a_prompt_and_re_asks_go_alone(self) -> None:
        samples = {"sampling": {"n": 4}}
        assert amounts_of(**samples).requests.likely == pytest.approx(60 / 4 + 60)
        alone = Asking(takes_n=False)
        assert amounts_of(**samples, asking=alone).requests.likely == pytest.approx(60 + 60)
        assert amounts_of(**samples, asking=Asking(list_size=20)).requests.likely == pytest.approx(120 / 20)

    @pytest.mark.parametrize(
        ("limits", "bound", "seconds"),
        [
            ({"requests_per_minute": 12}, "requests_per_minute", 600),
            ({"tokens_per_minute": 1320}, "tokens_per_minute", 600),
            ({"tokens_per_second": 3}, "tokens_per_second", 1200),
            ({"concurrent": 2}, "concurrent", 3600 / (2 * 150)),
            ({"requests_per_minute": 12, "tokens_per_second": 3}, "tokens_per_second", 1200),
        ],
    )
    def test_the_limit_that_is_reached_first_bounds_the_time(
        self, limits: dict[str, object], bound: str, seconds: float
    ) -> None:
        found = amounts_of(limits)
        assert found.bound == bound
        assert found.at_limits_s is not None
        assert found.at_limits_s.likely == pytest.approx(seconds)

    def test_nothing_limited_and_nothing_measured_gives_no_time(self) -> None:
        found = amounts_of()
        assert (found.at_limits_s, found.at_pace_s, found.bound) == (None, None, None)

    def test_nothing_to_write_takes_nothing(self) -> None:
        found = amounts_of({"requests_per_minute": 12}, phrases=0)
        assert found.requests == found.prompt_tokens == found.money == found.at_limits_s == Range.exactly(0)

    def test_nights_are_whole_ones(self) -> None:
        money = Range(low=4.9, likely=5.1, high=11)
        assert nights_for(money, ApiLimits(budget_per_night=5)) == Range(low=1, likely=2, high=3)
        assert nights_for(money, ApiLimits(concurrent=5)) is None


class TestWithoutMeasurements:
    def test_rendered_prompts_and_the_book_give_ranges(self) -> None:
        long = {"system": "You write short stories. " * 40}
        short, longer = (
            Estimate(make_spec(price=PRICE, **changes), Evidence(), asking=Asking()).amounts(60)
            for changes in ({}, {"prompts": long})
        )
        assert short.prompt_tokens.low < short.prompt_tokens.likely < short.prompt_tokens.high
        assert longer.prompt_tokens.likely > 3 * short.prompt_tokens.likely
        assert longer.completion_tokens == short.completion_tokens

    def test_a_model_that_the_book_does_not_know_is_taken_for_another_and_said_to_be(self) -> None:
        spec = make_spec(model={"name": "some-hosted-model"})
        origins = Estimate(spec, Evidence(), asking=Asking()).origins()
        assert f"{UNKNOWN_AS}, since it does not know some-hosted-model" in origins.rejects


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    return Bucket(S3Server.client(s3_server.endpoint), S3Server.new_bucket(s3_server.endpoint))


def place_of(bucket: Bucket, limits: ApiLimits | None = None, **changes: object) -> Workplace:
    spec = make_spec(**changes)
    return Workplace(spec, CorpusStore(bucket, spec), limits=limits)


class TestInTheBucket:
    def test_it_tells_money_budget_and_nights_in_lines(self, bucket: Bucket) -> None:
        place = place_of(bucket, price=PRICE, engines={"limits": {"requests_per_minute": 60, "budget_per_night": 0.01}})
        found = dry_run(place, [0, 1])
        assert (found.shards, found.amounts.phrases, found.rest.phrases) == ((0, 1), 120, 240)
        assert found.budget is not None
        assert (found.budget.spent, found.budget.left) == (0, 0.01)
        assert found.budget.begins <= dt.datetime.now(dt.UTC) < found.budget.ends
        text = "\n".join(dry_run_lines(found))
        for words in (
            "one prompt each",
            "requests_per_minute bounds",
            "USD",
            "0.01 left of 0.01 USD",
            "at this budget",
        ):
            assert words in text, text

    def test_a_part_of_a_request_is_a_whole_one(self, bucket: Bucket) -> None:
        (line,) = [line for line in dry_run_lines(dry_run(place_of(bucket), [0])) if line.startswith("requests")]
        assert line.split(",")[0] == "requests           2 (1 to 2)"

    def test_shards_that_there_are_not_are_refused(self, bucket: Bucket) -> None:
        with pytest.raises(PlanError, match="has no shard 70"):
            dry_run(place_of(bucket), [70])

    def test_the_connections_limits_go_before_the_corpus_files(self, bucket: Bucket) -> None:
        place = place_of(bucket, ApiLimits(tokens_per_second=2), engines={"limits": {"requests_per_minute": 60}})
        assert dry_run(place, [0]).amounts.bound == "tokens_per_second"

    def test_what_is_spent_is_told_in_a_sentence(self, bucket: Bucket) -> None:
        place = place_of(bucket, ApiLimits(budget_per_night=5), price=PRICE)
        assert "Of the budget of 5 USD until" in budget_words(place)[0]
        assert budget_words(place_of(bucket, price=PRICE)) == []


class TestWhatIsWrittenAlready:
    def test_manifests_are_the_evidence_and_staged_blocks_are_not_asked_for(self, bucket: Bucket) -> None:
        place = place_of(bucket, price=PRICE, engines={"limits": {"requests_per_minute": 60}})
        spec = place.spec
        shard = shard_of(spec, 0)
        rows = pa.concat_tables([block_rows(spec, block) for block in blocks_of(spec, shard)])
        counted = Facts(
            accepted=60,
            rejects={"too_short": 20},
            prompt_tokens=80 * 50,
            completion_tokens=80 * 30,
            seconds=9,
            started_at=dt.datetime(2026, 11, 2, 21, 0, tzinfo=dt.UTC),
            finished_at=dt.datetime(2026, 11, 2, 21, 1, tzinfo=dt.UTC),
            engines=1,
        )
        commit_shard(place.store, shard, rows, facts=counted, verdict={"passed": True}, run_id="run")
        block = blocks_of(spec, shard_of(spec, 1))[0]
        ShardStaging(place.store, shard_of(spec, 1)).save(block, block_rows(spec, block), facts_of(block))
        found = dry_run(place, [0, 1])
        assert (found.shards, found.committed, found.staged) == ((1,), 1, 20)
        assert found.amounts.phrases == 40
        assert found.amounts.prompt_tokens.likely == pytest.approx(40 / 0.75 * 50)
        assert found.amounts.completion_tokens.likely == pytest.approx(40 / 0.75 * 30)
        assert found.amounts.reject_share.likely == pytest.approx(0.25)
        assert found.origins.rejects.startswith("1 shard committed since ")


class TestALaterNightGoesOn:
    BUDGET = ApiLimits(budget_per_night=5)

    def test_with_a_budget_a_night_takes_up_what_earlier_ones_left(self, bucket: Bucket) -> None:
        place = place_of(bucket, self.BUDGET, price=PRICE)
        assert (left_behind(place, 0), left_behind(place, 1)) == ([], [0, 1])

    def test_what_is_committed_or_lies_in_quarantine_is_left(self, bucket: Bucket) -> None:
        place = place_of(bucket, self.BUDGET, price=PRICE)
        shard = shard_of(place.spec, 1)
        rows = pa.concat_tables([block_rows(place.spec, block) for block in blocks_of(place.spec, shard)])
        told = {"verdict": {}, "reason": "short", "note": "short", "run_id": "run"}
        quarantine_shard(place.store, shard, rows, facts=Facts(accepted=60), **told)
        assert left_behind(place, 2) == [0, 2, 3]

    def test_dates_after_the_last_night_go_on_with_the_rest(self, bucket: Bucket) -> None:
        assert left_behind(place_of(bucket, self.BUDGET, price=PRICE), 9) == [0, 1, 2, 3]

    def test_airflow_is_never_given_more_than_it_maps(self, bucket: Bucket) -> None:
        place = place_of(bucket, self.BUDGET, price=PRICE, target_phrases=240_000, schedule={"shards_per_night": 1000})
        assert left_behind(place, 1) == list(range(24))

    def test_without_a_budget_nights_are_functions_of_their_date_alone(self, bucket: Bucket) -> None:
        assert left_behind(place_of(bucket, ApiLimits(concurrent=5), price=PRICE), 1) == []
