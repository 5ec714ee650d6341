"""What befalls a night, one after the other and all at once; and what must have stood through it."""

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from phrasemill.manifest import Manifest
from tests.fleet.fleet import WORKERS, Fleet, FleetCorpus, NodeEngine
from tests.fleet.night import when
from tests.scheduler.corpus import wait_for

STAGED_FIRST = 3
"""Blocks of a shard that are staged when its worker is cut off."""
WRITTEN_ON = 32
"""Phrases that show that shards are written on: more than were in flight at an engine."""


class Storm:
    """The faults of a night; `diary` has how many seconds each took.

    Args:
        fleet: on which the night is.
        corpus: whose only run it is, over all of its shards.
        run_id: the run.
    """

    def __init__(self, fleet: Fleet, corpus: FleetCorpus, run_id: str) -> None:
        self._fleet, self._corpus, self._run_id = fleet, corpus, run_id
        self._nodes = fleet.network.nodes
        self._stood: dict[int, Manifest] = {}
        self.diary: dict[str, float] = {}

    def cut_worker(self) -> None:
        """Cut a worker off that has a shard half written, while the other one writes too."""
        with self._noted("until a shard is half written"):
            wait_for(self._both_write, what="shards on both workers", every_s=0.2)
            victim = wait_for(self._half_written, what="a shard with staged blocks", every_s=0.2)
        self.shard = int(victim["map_index"])
        self.lost, (self.left,) = victim["hostname"], set(WORKERS) - {victim["hostname"]}
        self._remember()
        self._nodes[self.lost].cut()
        self.cut_at = dt.datetime.now(dt.UTC).timestamp()
        time.sleep(1)  # what was in flight to the bucket arrives, or never will
        self.kept = self._staged(self.shard)

    def cut_engine(self) -> None:
        """Cut an engine off; the other one writes on."""
        stays, goes = self._fleet.engines
        self._remember()
        goes.node.cut()
        with self._noted("until an engine alone has written on"):
            self._await_phrases(stays)

    def restart_api_server(self) -> None:
        """Kill it, and start it again: tasks go on meanwhile, and tell it later."""
        self._remember()
        self._fleet.airflow.kill("api-server")
        with self._noted("the api-server is away"):
            self._fleet.airflow.launch("api-server")
            self._fleet.airflow.await_healthy("api-server")

    def cut_storage(self) -> None:
        """Cut the bucket off while shards are written."""
        self._remember()
        self._nodes["storage"].cut()
        with self._noted("the bucket is cut off"):
            self._await_phrases(self._fleet.engines[0])
        self._nodes["storage"].mend()

    def restart_redis(self) -> None:
        """Stop the broker, and start it again when shards have been written on."""
        self._remember()
        with self._noted("Redis is away"):
            self._fleet.redis.stop()
            self._await_phrases(self._fleet.engines[0])
            self._fleet.redis.start()

    def mend_engine(self) -> None:
        """Wait until the engine is given up, let it come back, and wait until it is asked again."""
        _, goes = self._fleet.engines
        with self._noted("until the engine is left out"):
            wait_for(lambda: f"{goes.url} is left out" in self._said(), what="the engine to be left out")
        goes.node.mend()
        with self._noted("until the engine writes again"):
            self._await_phrases(goes)

    def mend_worker(self) -> None:
        """Wait until the other worker has the shard, let the worker come back, and wait until it has work."""
        with self._noted("until the other worker has the shard"):
            again = wait_for(self._tried_again, what="the shard to be tried again")
        assert again["hostname"] == self.left
        assert again["state"] == "success" or self.kept <= self._staged(self.shard)
        self._remember()
        self._nodes[self.lost].mend()
        back = dt.datetime.now(dt.UTC)
        with self._noted("until the worker has work again"):
            wait_for(lambda: self._began_since(back), what="work for the worker that is back")

    def assert_stood(self) -> None:
        """What was committed or staged before a fault is what is committed now, and only the rest was written anew."""
        now = {manifest.shard: manifest for manifest in self._corpus.manifests()}
        assert {shard: now[shard] for shard in self._stood} == self._stood
        saved = [moment for moment, _, _ in now[self.shard].facts.pace]
        # A block on its way to the bucket when the worker was cut off may have come there when it was back.
        before = [moment for moment in saved if moment < self.cut_at + 1]
        assert STAGED_FIRST <= len(self.kept) <= len(before) < len(saved)

    def _remember(self) -> None:
        self._stood |= {manifest.shard: manifest for manifest in self._corpus.manifests()}

    @contextmanager
    def _noted(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.diary[name] = round(time.monotonic() - began, 1)

    def _both_write(self) -> bool:
        return len({entry["hostname"] for entry in self._writing()}) == len(WORKERS)

    def _half_written(self) -> dict[str, Any]:
        writing = self._writing()
        return next((entry for entry in writing if len(self._staged(entry["map_index"])) >= STAGED_FIRST), {})

    def _writing(self) -> list[dict[str, Any]]:
        return [entry for entry in self._generating() if entry["state"] == "running"]

    def _generating(self) -> list[dict[str, Any]]:
        return self._corpus.instances(self._run_id, "shard.generate")

    def _staged(self, shard: int) -> set[str]:
        return {key for key in self._corpus.staged() if f"/{shard:05d}/" in key}

    def _await_phrases(self, *engines: NodeEngine) -> None:
        """Wait until these engines have written on."""
        begin = self._phrases(*engines)
        wait_for(lambda: self._phrases(*engines) >= begin + WRITTEN_ON, what="more phrases")

    def _phrases(self, *engines: NodeEngine) -> int:
        return sum(int(engine.state()["phrases"]) for engine in engines)

    def _said(self) -> str:
        """The logs of all that is written on the worker that is left."""
        return "\n".join(self._corpus.said(entry) for entry in self._generating() if entry["hostname"] == self.left)

    def _tried_again(self) -> dict[str, Any]:
        entry = self._generating()[self.shard]
        return entry if entry["try_number"] > 1 and entry["state"] in {"running", "success"} else {}

    def _began_since(self, moment: dt.datetime) -> list[dict[str, Any]]:
        entries = self._corpus.api.task_instances(self._corpus.dag_id, self._run_id)
        theirs = [entry for entry in entries if entry["hostname"] == self.lost and entry["start_date"]]
        return [entry for entry in theirs if when(entry["start_date"]) > moment]
