"""SIGKILL at every named step and at random times: whatever dies, the shard is committed once and whole.

`make kill-test N=1000` is the same for longer, with a table of what was killed.
"""

import random
from collections.abc import Iterator

import pytest

from phrasemill.engines.fake.process import FakeEngineProcess
from tests.integration.campaign import Campaign, named_steps, random_kills
from tests.integration.protocol import AFTER_COMMIT, CHAIN, Point
from tests.integration.yard import Yard, servers, yard
from tests.servers import S3Server
from tests.specs import make_spec

KILLS, SHARDS, SEED = 30, 6, 20261101


@pytest.fixture(scope="module")
def parts() -> Iterator[tuple[S3Server, FakeEngineProcess]]:
    with servers() as started:
        yield started


@pytest.fixture(scope="module")
def named(parts: tuple[S3Server, FakeEngineProcess]) -> Campaign:
    return named_steps(*parts)


class TestNamedSteps:
    def test_each_is_struck_once_and_every_shard_ends_whole(self, named: Campaign) -> None:
        assert named.wrong == []
        assert named.kills == len(CHAIN) + len(AFTER_COMMIT)
        assert (named.found.shards, named.found.orphans) == (1 + len(AFTER_COMMIT), [])

    def test_generate_asks_again_for_the_blocks_in_flight_alone(self, named: Campaign) -> None:
        last = max(number for number, one in enumerate(named.tries) if one.shard == 0 and one.step == "generate")
        assert named.tries[last].code == 0
        assert any(one.redone for one in named.tries[:last])  # kills do cost something
        assert named.tries[last].redone == 0


class TestRandomTimes:
    def test_tasks_engine_and_s3_server_killed_again_and_again(
        self, parts: tuple[S3Server, FakeEngineProcess], named: Campaign
    ) -> None:
        dice, campaigns, kills = random.Random(SEED), [named], 0
        # A strike misses a process that ends sooner than those before it did: then another corpus is worked off.
        for _ in range(6):
            campaign = random_kills(*parts, kills=KILLS, shards=SHARDS, dice=dice, before=campaigns)
            assert campaign.wrong == []
            assert (campaign.found.shards, campaign.found.orphans) == (SHARDS, [])
            assert {"killed", "S3", "engine"} <= {word for one in campaign.tries for word in one.deed.split()}
            campaigns.append(campaign)
            kills += campaign.kills
            if kills >= KILLS / 2:
                break
        assert kills >= KILLS / 2


class TestUploadInPartsKilled:
    @pytest.mark.parametrize(("method", "words"), [("POST", "uploads"), ("PUT", "partNumber=1"), ("POST", "uploadId=")])
    def test_the_rerun_commits_and_repair_removes_the_parts(self, small_yard: Yard, method: str, words: str) -> None:
        for step in ("generate", "validate"):
            assert small_yard.start(step, 0).end().done
        in_parts = {"PHRASEMILL_MULTIPART_ABOVE": "100"}
        trap = Point(words, "publish", method, words, answered=True).arm(small_yard.proxy, 0)
        process = small_yard.start("publish", 0, environment=in_parts)
        trap.watch(process)
        assert process.end().killed
        begun = small_yard.client.list_multipart_uploads(Bucket=small_yard.bucket).get("Uploads", [])
        assert len(begun) == (words != "uploadId=")  # that one was complete
        assert small_yard.start("publish", 0, environment=in_parts).end().done
        found = small_yard.find()
        assert (found.wrong, found.orphans) == ([], [])
        assert small_yard.repair().findings == []
        assert not small_yard.client.list_multipart_uploads(Bucket=small_yard.bucket).get("Uploads")


class TestPreflightKilled:
    def test_the_probe_that_it_leaves_is_found_and_removed_by_repair(self, small_yard: Yard) -> None:
        trap = Point("before the probe is removed", "preflight", "DELETE", "/staging/probe-").arm(small_yard.proxy, 0)
        process = small_yard.start("preflight", 0)
        trap.watch(process)
        assert process.end().killed
        assert len(small_yard.keys("staging/probe-")) == 1
        assert small_yard.start("preflight", 0).end().done
        assert small_yard.repair().findings == []
        assert small_yard.keys("staging/") == []


class TestQuarantineKilled:
    @pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
    @pytest.mark.parametrize("name", ["rows.parquet", "reason.txt", "verdict.json"])
    def test_the_shard_is_quarantined_all_the_same(
        self, parts: tuple[S3Server, FakeEngineProcess], name: str, answered: bool
    ) -> None:
        s3, engine = parts
        strict = make_spec(target_phrases=60, gate={"min_mean_chars": 139})
        with yard(strict, s3=s3, engine=engine) as made:
            assert made.start("generate", 0).end().done
            trap = Point(name, "validate", "PUT", name, answered=answered).arm(made.proxy, 0)
            process = made.start("validate", 0)
            trap.watch(process)
            assert process.end().killed
            made.proxy.clear()
            again = made.start("validate", 0).end()
            assert (again.red, "failed the gate" in again.said) == (True, True)
            records = [key for key in made.keys("quarantine/") if key.endswith("/verdict.json")]
            assert len(records) == 1 + (name == "verdict.json" and answered)  # the same rows, failed twice
            assert made.keys("staging/") == made.keys("manifests/") == []
