"""Nights on a fleet: one that nothing befalls, foretold by the simulation, and one on which all is cut off and back."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from phrasemill.simulation import Question, simulate
from tests.fleet.airflow_fleet import WORKER_SLOTS
from tests.fleet.conftest import TOKENS_PER_S
from tests.fleet.fleet import ENGINES, SLOTS, STORMY_SLOTS, WORKERS, Fleet, FleetCorpus
from tests.fleet.night import Night, question_of
from tests.fleet.storm import Storm
from tests.servers import KEYS

pytestmark = pytest.mark.fleet

NEAR = 0.15
"""Of the real night's seconds, by which the simulation may be off."""


class TestAQuietNight:
    def test_is_complete_and_takes_as_long_as_the_simulation_says(
        self, fleet: Fleet, corpora: dict[str, FleetCorpus], note: Callable[..., None]
    ) -> None:
        fleet.share_engines(SLOTS)
        small = measure(corpora["before"])
        quiet, before = corpora["quiet"], fleet.phrases()
        night = run(quiet)
        assert_whole(fleet, quiet)
        assert set(night.workers()) == set(WORKERS)
        of_engines = [now - was for now, was in zip(fleet.phrases(), before, strict=True)]
        assert min(of_engines) > 0
        for worker in WORKERS:
            instance = next(entry for entry in night.entries if entry["hostname"] == worker)
            assert "Worker startup parse complete" in quiet.said(instance)  # through the log server of its worker

        question = asked_of(small, quiet)
        if not near(simulate(question).seconds, night.seconds):
            # What Airflow takes hangs on what else this machine does: so it is measured once more, after the night.
            small += measure(corpora["after"])
            question = asked_of(small, quiet)
        foretold = simulate(question).seconds
        figures = night.figures() | {"foretold_s": round(foretold, 1), "phrases_of_engines": of_engines}
        note(small_nights=[one.figures() for one in small], quiet_night=figures, question=dataclasses.asdict(question))
        assert near(foretold, night.seconds), figures


class TestAStormyNight:
    def test_ends_complete_with_all_that_was_written_before_each_fault(
        self, fleet: Fleet, corpora: dict[str, FleetCorpus], note: Callable[..., None]
    ) -> None:
        corpus, before = corpora["blizzard"], sum(fleet.phrases())
        fleet.share_engines(STORMY_SLOTS)
        run_id = start(corpus)
        storm = Storm(fleet, corpus, run_id)
        storm.cut_worker()
        storm.cut_engine()
        storm.restart_api_server()
        storm.cut_storage()
        storm.restart_redis()
        storm.mend_engine()
        storm.mend_worker()
        assert corpus.await_run(run_id) == "success"
        night = Night.of(corpus, run_id)
        in_vain = sum(fleet.phrases()) - before - sum(manifest.facts.judged for manifest in night.manifests)
        note(stormy_night=night.figures() | {"faults_s": storm.diary, "phrases_in_vain": in_vain})
        assert_whole(fleet, corpus)
        storm.assert_stood()


def start(corpus: FleetCorpus) -> str:
    """Start a night over all shards of a corpus."""
    return corpus.trigger(shards=f"0-{corpus.spec.shard_count - 1}")


def run(corpus: FleetCorpus) -> Night:
    """A whole night."""
    run_id = start(corpus)
    assert corpus.await_run(run_id) == "success"
    return Night.of(corpus, run_id)


def measure(corpus: FleetCorpus) -> list[Night]:
    """A small night, and one more that finds all of it committed: it has preflight, plan and close_night once more."""
    return [run(corpus), run(corpus)]


def asked_of(small: list[Night], corpus: FleetCorpus) -> Question:
    """A night over all of a corpus on this fleet, with what was measured in small nights."""
    fleet_has = {"engines": len(ENGINES), "slots": SLOTS, "workers": len(WORKERS), "worker_tasks": WORKER_SLOTS}
    return question_of(small, corpus.spec, tokens_per_s=TOKENS_PER_S, **fleet_has)


def near(foretold: float, real: float) -> bool:
    return abs(foretold - real) <= NEAR * real


def assert_whole(fleet: Fleet, corpus: FleetCorpus) -> None:
    """Exactly N phrases are committed, nothing is left over, and `phrasemill verify` says so."""
    manifests = corpus.manifests()
    assert [manifest.shard for manifest in manifests] == list(range(corpus.spec.shard_count))
    assert {manifest.rows for manifest in manifests} == {corpus.spec.shard_phrases}
    assert corpus.staged() == {}
    environment = os.environ | {
        "AWS_ENDPOINT_URL": fleet.s3.endpoint,
        "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
        "PHRASEMILL_CORPORA": str(fleet.airflow.corpora),
    }
    command = [sys.executable, "-m", "phrasemill", "verify", corpus.spec.name, "--deep"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
