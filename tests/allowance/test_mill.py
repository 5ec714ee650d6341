"""The mill on an account, against an API that counts what comes and what it costs."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from phrasemill import account
from phrasemill.allowance import open_allowance
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.errors import QuotaSpent
from phrasemill.planning import shard_of
from phrasemill.snapshot import take_snapshot
from phrasemill.spec import CorpusSpec
from phrasemill.steps import Workplace, generate
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.staging import ShardStaging
from phrasemill.verify import verify
from tests.allowance.hurried import EPOCH, HURRY, hurried_loops, hurried_now
from tests.servers import S3Server
from tests.specs import make_spec

API_MINUTE_S = 0.8 * 60 / HURRY
"""A fifth less than ours: a request may be late by so much where the machine is busy. Two tasks that do not share
would pass the limit all the same."""
LIMITS = {"requests_per_minute": 60, "concurrent": 8}
PRICE = {"currency": "USD", "per_million_prompt_tokens": 1000.0, "per_million_completion_tokens": 1000.0}
BUDGET = 3.0
"""A phrase costs about 0.06 and sets aside 0.4: some forty of a shard's sixty."""
DAY = dt.timedelta(days=1)


def place_of(s3_server: S3Server, spec: CorpusSpec, engine: FakeEngineProcess) -> Workplace:
    bucket = Bucket(S3Server.client(s3_server.endpoint), spec.storage.bucket)
    return Workplace(spec, CorpusStore(bucket, spec), (engine.url,))


def texts_of(place: Workplace, shard: int) -> list[str]:
    rows, _ = ShardStaging(place.store, shard_of(place.spec, shard)).rows()
    texts: list[str] = rows.column("text").to_pylist()
    return texts


def test_two_shards_at_once_are_whole_and_no_limit_is_passed(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tasks, each with a loop and a connection of its own. A minute lasts six seconds."""
    monkeypatch.setattr(account, "open_allowance", partial(open_allowance, now=hurried_now))
    spec = make_spec(
        target_phrases=100,
        shard_phrases=50,
        block_phrases=10,
        storage={"bucket": S3Server.new_bucket(s3_server.endpoint)},
        engines={"limits": LIMITS},
    )
    with FakeEngineProcess(model="tiny-model", api="chat", latency_ms=500, minute_s=API_MINUTE_S, **LIMITS) as engine:

        def grind(shard: int) -> list[str]:
            place = place_of(s3_server, spec, engine)
            generate(place, shard)
            return texts_of(place, shard)

        with hurried_loops(), ThreadPoolExecutor(2) as tasks:
            first, second = tasks.map(grind, (0, 1))
        seen = engine.state()
    assert (len(first), len(second), len({*first, *second})) == (50, 50, 100)
    assert seen["throttled"] == {}
    assert seen["requests_seen"] >= 100
    assert seen["most_requests_a_minute"] <= LIMITS["requests_per_minute"]
    assert seen["max_lists_in_flight"] <= LIMITS["concurrent"]


def cost_of(engine: FakeEngineProcess) -> float:
    state = engine.state()
    asked, written = state["prompt_tokens"], state["generation_tokens"]
    return float(asked * PRICE["per_million_prompt_tokens"] + written * PRICE["per_million_completion_tokens"]) / 1e6


def test_a_budget_ends_in_a_shard_and_the_next_one_finishes_it(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a bucket without a prefix, where the account lies beside the corpus."""
    today = EPOCH
    monkeypatch.setattr(account, "open_allowance", partial(open_allowance, now=lambda: today))
    spec = make_spec(
        block_phrases=10,
        storage={"bucket": S3Server.new_bucket(s3_server.endpoint), "prefix": ""},
        engines={"limits": {"budget_per_night": BUDGET}},
        price=PRICE,
    )
    with FakeEngineProcess(model="tiny-model", api="chat") as engine:
        place = place_of(s3_server, spec, engine)
        place.store.record_spec()
        for _ in range(2):  # clearing it on the same day asks for nothing more than what was left over
            with pytest.raises(QuotaSpent, match=r"of 3\.0000 USD are spent"):
                generate(place, 0)
            assert 0.8 * BUDGET < cost_of(engine) <= BUDGET
        seen = take_snapshot(place.store)
        assert (list(seen.shards), list(seen.staged), list(seen.held)) == ([], [0], [])
        assert 0 < seen.staged[0].blocks < 6
        assert verify(place.store).findings == []

        today, asked = EPOCH + DAY, engine.state()["phrases"]
        done = generate(place, 0)
        assert (done["phrases"], len(set(texts_of(place, 0)))) == (60, 60)
        assert engine.state()["phrases"] - asked <= 60 - 10 * seen.staged[0].blocks + 2
        assert cost_of(engine) <= 2 * BUDGET
