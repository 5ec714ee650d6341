"""A bad night of the S3 server: it completes, or stops with one clear sentence, and a rerun completes it."""

import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration.processes import Outcome, wait_until
from tests.integration.yard import Yard

STEPS = ("generate", "validate", "publish")
XML = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{}</Code><Message>It says no.</Message></Error>'
IMPATIENT = {"connect_timeout": 10, "read_timeout": 20, "retries": {"mode": "standard", "total_max_attempts": 2}}
"""What the connection's config_kwargs may say, so that a test need not wait as long as a night would."""
PATIENT = {"retries": {"mode": "standard", "total_max_attempts": 12}}
"""Pauses between tries are drawn by chance: five tries are over in a second, before a slow server is up."""
BLOCK, VERDICT, DATA, MANIFEST = "/staging/{shard}/0", "/staging/{shard}/verdict.json", "/shards/", "/manifests/"


def forged(status: int, code: str = "") -> dict[str, Any]:
    return {"deed": "forge", "status": status, "body": XML.format(code).encode() if code else b""}


def slow(seconds: float) -> dict[str, Any]:
    return {"deed": "pass", "before": lambda: time.sleep(seconds)}


@dataclass(frozen=True)
class Fault:
    """What befalls the requests of one step."""

    step: str
    method: str
    words: str
    how: dict[str, Any] = field(default_factory=dict)
    count: int | None = None
    """How many requests; None: all, until the fault is mended."""
    skip: int = 0
    says: tuple[str, ...] = ()
    """What the sentence must hold: what happened, where, and what to do."""
    retried: bool = False
    """Whether Airflow tries again by itself."""
    read_timeout: int = IMPATIENT["read_timeout"]
    """Seconds; only a fault that is a latency needs it short, and all other requests must keep it too."""

    def lay(self, yard: Yard, shard: int) -> None:
        where = self.words.format(shard=f"{shard:05d}")
        yard.proxy.on(self.method, where, count=self.count, skip=self.skip, **self.how)


def night(yard: Yard, shard: int, fault: Fault) -> list[Outcome]:
    """The shard's tasks up to the first that fails; the fault is there from the start of its step."""
    outcomes = []
    for step in STEPS:
        if step == fault.step:
            fault.lay(yard, shard)
        outcomes.append(yard.start(step, shard, s3_settings=IMPATIENT | {"read_timeout": fault.read_timeout}).end())
        if not outcomes[-1].done:
            break
    return outcomes


def assert_whole(yard: Yard, shard: int) -> None:
    found = yard.find([shard])
    assert (found.wrong, found.orphans, found.phrases) == ([], [], yard.spec.shard_phrases)


RESET, TRUNCATE, SPOIL, LOSE, DROP = ({"deed": deed} for deed in ("reset", "truncate", "spoil", "lose", "drop"))

PASSING = {
    "one 500 for a block": Fault("generate", "PUT", BLOCK, forged(500, "InternalError"), count=1),
    "one 503 SlowDown for a block": Fault("generate", "PUT", BLOCK, forged(503, "SlowDown"), count=1),
    "one 500 for a listing": Fault("generate", "GET", "list-type=2", forged(500, "InternalError"), count=1),
    "a reset at a block": Fault("generate", "PUT", BLOCK, RESET, count=1),
    "a block whose answer is lost": Fault("generate", "PUT", BLOCK, LOSE, count=1),
    "a latency above the time-out, once": Fault("generate", "PUT", BLOCK, slow(6), count=1, read_timeout=5),
    "a truncated block": Fault("validate", "GET", BLOCK, TRUNCATE, count=1),
    "wrong bytes of a block": Fault("validate", "GET", BLOCK, SPOIL, count=1),
    "a reset at the verdict": Fault("validate", "PUT", VERDICT, RESET, count=1),
    "wrong bytes of the data read back": Fault("publish", "GET", DATA, SPOIL, count=1),
    "a truncated read of the data": Fault("publish", "GET", DATA, TRUNCATE, count=1),
    "a reset at the manifest": Fault("publish", "PUT", MANIFEST, RESET, count=1),
    "a manifest whose answer is lost": Fault("publish", "PUT", MANIFEST, LOSE, count=1),
    "three 409 for the manifest": Fault("publish", "PUT", MANIFEST, forged(409, "ConditionalRequestConflict"), count=3),
    "two 412 for a manifest that is not there": Fault(
        "publish", "PUT", MANIFEST, forged(412, "PreconditionFailed"), count=2
    ),
    "one 503 at the removal of a block": Fault("publish", "DELETE", BLOCK, forged(503, "SlowDown"), count=1),
    "a removal whose answer is lost": Fault("publish", "DELETE", BLOCK, LOSE, count=1),
}

AGAIN = "check that the S3 server runs and is reached, then retry"
LASTING = {
    "500 for every block": Fault(
        "generate", "PUT", BLOCK, forged(500, "InternalError"), says=("cannot put", "staging", AGAIN), retried=True
    ),
    "503 SlowDown for everything": Fault(
        "generate", "*", "/", forged(503, "SlowDown"), says=("cannot get", "SlowDown", AGAIN), retried=True
    ),
    "resets everywhere": Fault("generate", "*", "/", RESET, says=("cannot get", "then retry"), retried=True),
    "a server that answers 5 s late": Fault(
        "generate", "*", "/", slow(5), says=("cannot get", "Read timeout", AGAIN), retried=True, read_timeout=1
    ),
    "credentials that expire mid-night": Fault(
        "generate",
        "*",
        "staging",
        forged(403, "ExpiredToken"),
        skip=2,
        says=("cannot put", "ExpiredToken", "renew the credentials of the S3 connection"),
    ),
    "a key that is withdrawn mid-night": Fault(
        "publish", "PUT", "/", forged(403, "InvalidAccessKeyId"), says=("cannot put", "correct the access key")
    ),
    "a policy that forbids writing": Fault(
        "publish", "PUT", "/", forged(403, "AccessDenied"), says=("cannot put", "grant s3:PutObject")
    ),
    "a policy that forbids removal": Fault(
        "publish", "DELETE", "/", forged(403, "AccessDenied"), says=("cannot delete", "grant s3:DeleteObject")
    ),
    "a full disk": Fault(
        "generate",
        "PUT",
        BLOCK,
        forged(507, "InsufficientStorage"),
        skip=1,
        says=("cannot put", "the store is full: free space"),
        retried=True,
    ),
    "a full disk, in MinIO's words": Fault(
        "publish", "PUT", DATA, forged(507, "XMinioStorageFull"), says=("cannot put", "the store is full"), retried=True
    ),
    "a quota, in Ceph's words": Fault(
        "publish", "PUT", MANIFEST, forged(403, "QuotaExceeded"), says=("cannot put", "raise its quota"), retried=True
    ),
    "409 for every manifest": Fault(
        "publish",
        "PUT",
        MANIFEST,
        forged(409, "ConditionalRequestConflict"),
        says=("manifests/shard-", "conditional puts keep colliding", "retry"),
        retried=True,
    ),
    "409 for every block": Fault(
        "generate", "PUT", BLOCK, forged(409, "OperationAborted"), says=("cannot put", "retry"), retried=True
    ),
    "412 for every manifest, and none there": Fault(
        "publish",
        "PUT",
        MANIFEST,
        forged(412, "PreconditionFailed"),
        says=("manifests/shard-", "conditional puts keep colliding", "retry"),
        retried=True,
    ),
    "every read of a block truncated": Fault(
        "validate", "GET", BLOCK, TRUNCATE, says=("cannot get", "staging", "then retry"), retried=True
    ),
    "wrong bytes of every block": Fault(
        "validate",
        "GET",
        BLOCK,
        SPOIL,
        says=("staged blocks are missing or damaged (block 0 first)", "run generate for this shard again"),
    ),
    "wrong bytes of the data, always": Fault(
        "publish", "GET", DATA, SPOIL, says=("shards/shard-", "read back", "retry"), retried=True
    ),
}


class TestPassing:
    @pytest.mark.parametrize("name", PASSING)
    def test_it_is_not_even_noticed(self, open_yard: Yard, shard: int, name: str) -> None:
        outcomes = night(open_yard, shard, PASSING[name])
        assert [one.said for one in outcomes if not one.done] == []
        assert [rule.count for rule in open_yard.proxy.rules] == [0], "the fault never struck"
        assert_whole(open_yard, shard)

    def test_a_latency_of_5_s_is_waited_for(self, open_yard: Yard, shard: int) -> None:
        open_yard.proxy.on("PUT", MANIFEST, count=1, **slow(5))
        outcomes = [open_yard.start(step, shard).end() for step in STEPS]
        assert all(one.done for one in outcomes)
        assert outcomes[-1].seconds > 5
        assert_whole(open_yard, shard)


class TestLasting:
    @pytest.mark.parametrize("name", LASTING)
    def test_it_stops_with_one_clear_sentence_and_a_rerun_completes_it(
        self, open_yard: Yard, shard: int, name: str
    ) -> None:
        fault = LASTING[name]
        *green, stopped = night(open_yard, shard, fault)
        assert all(one.done for one in green)
        assert (STEPS[len(green)], stopped.again, stopped.red) == (fault.step, fault.retried, not fault.retried)
        assert "\n" not in stopped.said
        assert f"s3://{open_yard.bucket}/" in stopped.said or f"{open_yard.spec.name} shard-" in stopped.said
        assert [words for words in fault.says if words not in stopped.said] == [], stopped.said
        assert stopped.seconds < 60
        open_yard.proxy.clear()
        rerun = [open_yard.start(step, shard).end() for step in STEPS[len(green) :]]
        assert [one.said for one in rerun if not one.done] == []
        assert_whole(open_yard, shard)


class TestNothingIsDoneTwice:
    def test_what_was_staged_before_the_credentials_expired_is_not_asked_for_again(
        self, open_yard: Yard, shard: int
    ) -> None:
        [stopped] = night(open_yard, shard, LASTING["credentials that expire mid-night"])
        assert stopped.red
        open_yard.proxy.clear()
        # The one block that was let through may still be on its way when the process has ended.
        wait_until(lambda: 200 in open_yard.proxy.statuses("PUT", f"/staging/{shard:05d}/"))
        staged = len(open_yard.keys(f"staging/{shard:05d}/"))
        assert staged >= 1
        before = open_yard.asked()
        assert open_yard.start("generate", shard).end().done
        assert open_yard.asked() - before == 60 - 20 * staged
        rerun = [open_yard.start(step, shard).end() for step in STEPS[1:]]
        assert all(one.done for one in rerun)
        assert_whole(open_yard, shard)


class TestServerKilled:
    @pytest.mark.parametrize("step", STEPS)
    def test_it_comes_back_on_what_it_had_on_disk(self, open_yard: Yard, shard: int, step: str) -> None:
        words = {"generate": BLOCK, "validate": VERDICT, "publish": MANIFEST}[step].format(shard=f"{shard:05d}")
        open_yard.proxy.on("PUT", words, "lose", after=open_yard.break_s3)
        outcomes = [open_yard.start(each, shard, s3_settings=PATIENT).end() for each in STEPS]
        assert [one.said for one in outcomes if not one.done] == []
        assert_whole(open_yard, shard)
