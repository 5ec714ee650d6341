"""Two workers on one shard at once, with nothing in common but the bucket: one commit, and both are green."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.processes import Outcome
from tests.integration.yard import Yard
from tests.store.s3_proxy import S3Proxy, s3_proxy

STEPS = ("generate", "validate", "publish")
MANIFEST = "/manifests/shard-00000.json"


@pytest.fixture
def other_door(small_yard: Yard) -> Iterator[S3Proxy]:
    """The way of the slow worker to the bucket."""
    with s3_proxy(small_yard.s3.endpoint) as proxy:
        yield proxy


class Held:
    """A process that is stopped at a request of its own, which waits with it, until it is let go."""

    def __init__(self, yard: Yard, proxy: S3Proxy, step: str, *, method: str, words: str, **where: object) -> None:
        self._started, self._arrived, self._free = threading.Event(), threading.Event(), threading.Event()
        when = "after" if where.pop("answered", False) else "before"
        proxy.on(method, words, "pass", **{when: self._hold}, **where)
        self.process = yard.start(step, 0, endpoint=proxy.url, run_id="slow")
        self._started.set()
        assert self._arrived.wait(90), f"{step} sends no {method} of {words}"

    def let_go(self) -> Outcome:
        self.process.go_on()
        self._free.set()
        return self.process.end()

    def _hold(self) -> None:
        self._started.wait(60)
        self.process.pause()
        self._arrived.set()
        self._free.wait(300)


def run(yard: Yard, *steps: str, **fields: object) -> list[Outcome]:
    return [yard.start(step, 0, **fields).end() for step in steps]


def assert_green(outcomes: list[Outcome]) -> None:
    assert [(one.code, one.said) for one in outcomes] == [(0, "")] * len(outcomes)


def assert_whole(yard: Yard) -> None:
    found = yard.find()
    assert (found.wrong, found.orphans, found.phrases) == ([], [], yard.spec.shard_phrases)


def write_another_text(yard: Yard) -> None:
    """Have a staged block written anew, so that the fast worker's shard is another than the slow one's."""
    yard.client.delete_object(Bucket=yard.bucket, Key=f"{yard.root}/staging/00000/0003.parquet")
    assert_green(run(yard, "generate", "validate"))


class TestSideBySide:
    def test_the_whole_night_by_both(self, small_yard: Yard, other_door: S3Proxy) -> None:
        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(run, small_yard, *STEPS, run_id="one")
            other = pool.submit(run, small_yard, *STEPS, run_id="other", endpoint=other_door.url)
            assert_green([*one.result(), *other.result()])
        assert_whole(small_yard)

    @pytest.mark.parametrize("step", STEPS)
    def test_one_task_by_both(self, small_yard: Yard, other_door: S3Proxy, step: str) -> None:
        before = STEPS[: STEPS.index(step)]
        assert_green(run(small_yard, *before))
        both = [small_yard.start(step, 0, run_id="one")]
        both.append(small_yard.start(step, 0, run_id="other", endpoint=other_door.url))
        assert_green([process.end() for process in both])
        assert_green(run(small_yard, *STEPS[STEPS.index(step) + 1 :]))
        assert_whole(small_yard)


class TestOneMuchSlower:
    @pytest.mark.parametrize(
        ("method", "answered"),
        [("PUT", False), ("GET", True)],
        ids=["with its manifest on the way", "having seen that there is none"],
    )
    def test_stopped_before_its_manifest_is_put_it_concedes(
        self, small_yard: Yard, other_door: S3Proxy, method: str, answered: bool
    ) -> None:
        assert_green(run(small_yard, "generate", "validate"))
        if method == "GET":
            # The last look, of which the answer is on its way: after the data has been put.
            arm = {"method": "GET", "words": MANIFEST, "answered": True, "skip": looks_before_data(small_yard)}
        else:
            arm = {"method": "PUT", "words": MANIFEST}
        slow = Held(small_yard, other_door, "publish", **arm)  # type: ignore[arg-type]
        ours = set(small_yard.keys("shards/"))
        write_another_text(small_yard)
        assert_green(run(small_yard, "publish"))
        assert len(small_yard.keys("shards/")) == 2
        assert_green([slow.let_go()])
        assert 412 in other_door.statuses("PUT", MANIFEST)
        assert not ours & set(small_yard.keys("shards/"))
        assert_whole(small_yard)

    def test_stopped_in_generate_what_it_stages_too_late_is_removed(
        self, small_yard: Yard, other_door: S3Proxy
    ) -> None:
        slow = Held(small_yard, other_door, "generate", method="PUT", words="/staging/", skip=4)
        assert_green(run(small_yard, *STEPS))
        assert_green([slow.let_go()])
        assert small_yard.keys("staging/")  # its blocks came after the commit
        assert_green(run(small_yard, "validate", "publish", endpoint=other_door.url))
        assert_whole(small_yard)

    @pytest.mark.parametrize(
        ("step", "method", "words"),
        [
            ("validate", "GET", "/staging/00000/0"),
            ("validate", "PUT", "/staging/00000/verdict.json"),
            ("publish", "GET", "/staging/00000/verdict.json"),
            ("publish", "GET", "/staging/00000/0"),
            ("publish", "PUT", "/shards/"),
        ],
    )
    def test_stopped_elsewhere_it_finds_the_commit_and_is_green(
        self, small_yard: Yard, other_door: S3Proxy, step: str, method: str, words: str
    ) -> None:
        assert_green(run(small_yard, *STEPS[: STEPS.index(step)]))
        slow = Held(small_yard, other_door, step, method=method, words=words)
        assert_green(run(small_yard, "validate", "publish"))
        assert_green([slow.let_go()])
        assert_green(run(small_yard, "publish", endpoint=other_door.url))
        assert_whole(small_yard)

    def test_blocks_written_anew_between_its_gate_and_its_commit_are_judged_again(
        self, small_yard: Yard, other_door: S3Proxy
    ) -> None:
        slow = Held(small_yard, other_door, "generate", method="PUT", words="/staging/", skip=4)
        assert_green(run(small_yard, "generate", "validate"))
        assert_green([slow.let_go()])  # its blocks take the place of those that the gate has seen
        assert_green(run(small_yard, "publish"))
        assert_whole(small_yard)


class TestLoserKilled:
    def test_what_it_could_not_remove_is_found_and_removed_by_repair(
        self, small_yard: Yard, other_door: S3Proxy
    ) -> None:
        assert_green(run(small_yard, "generate", "validate"))
        slow = Held(small_yard, other_door, "publish", method="PUT", words=MANIFEST)
        lost = sorted([*small_yard.keys("shards/"), *small_yard.keys("verdicts/")])
        write_another_text(small_yard)
        assert_green(run(small_yard, "publish"))
        other_door.on("DELETE", "/shards/", "drop", before=slow.process.kill)
        assert slow.let_go().killed
        assert_green(run(small_yard, "publish", endpoint=other_door.url))
        found = small_yard.find()
        assert (found.wrong, found.orphans) == ([], lost)
        after = small_yard.repair()
        assert (after.findings, after.waiting) == ([], [])
        assert_whole(small_yard)


def looks_before_data(yard: Yard) -> int:
    """How often publish looks for a manifest before its last look, which comes after the data."""
    with s3_proxy(yard.s3.endpoint) as proxy:
        proxy.on("PUT", "/shards/", "forge", status=403)
        assert yard.start("publish", 0, endpoint=proxy.url).end().red
        return len(proxy.statuses("GET", MANIFEST))
