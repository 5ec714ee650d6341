"""One fleet for all these tests, and its corpora."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from phrasemill.spec import CorpusSpec
from tests.fleet.fleet import Fleet, FleetCorpus
from tests.fleet.network import FLEET
from tests.specs import make_spec

TOKENS_PER_S = 220.0
"""Of each engine: some 8 phrases. Engines that wait for their rate take no processor time, so how long a night takes
hangs on them and not on how busy this machine is."""
BLOCK = 20
SHARDS = {"before": (2, 40), "after": (2, 40), "quiet": (4, 320), "blizzard": (7, 240)}
"""Of each corpus, with the phrases of a shard. Airflow spreads retries by a hash of the Dag's name: after 30 s come
those of corpus_blizzard, after up to 60 those of others."""
LAST_WORDS = 25


@pytest.fixture(scope="session")
def fleet(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    fleet = Fleet(tokens_per_second=TOKENS_PER_S)
    try:
        yield fleet.start()
    finally:
        fleet.stop()
        _keep_logs(told=bool(request.session.testsfailed))


@pytest.fixture(scope="session")
def corpora(fleet: Fleet) -> dict[str, FleetCorpus]:
    """Corpora by name; none of them is written by itself."""
    began = time.monotonic()
    found = {name: FleetCorpus(fleet, _spec(fleet, name, *sizes)) for name, sizes in SHARDS.items()}
    fleet.start_airflow(list(found.values()))
    note_figures(start_s=round(time.monotonic() - began, 1))
    return found


@pytest.fixture(scope="session")
def note() -> Callable[..., None]:
    """Keeps figures of this run in fleet-run.json."""
    return note_figures


def note_figures(**figures: Any) -> None:
    path = Path(os.environ["PHRASEMILL_STATE"]) / "fleet-run.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() and "start_s" not in figures else {}
    path.write_text(json.dumps(known | figures, indent=1) + "\n", encoding="utf-8")


def _spec(fleet: Fleet, name: str, shards: int, phrases: int) -> CorpusSpec:
    return make_spec(
        name=name,
        target_phrases=shards * phrases,
        shard_phrases=phrases,
        block_phrases=BLOCK,
        schedule={"cron": None, "shards_per_night": shards},
        engines={"list_size": 8, "in_flight": 16},
        storage={"bucket": fleet.bucket.name},
    )


def _keep_logs(*, told: bool) -> None:
    """Keep all logs where they outlive the fleet, and tell the last lines of every part's."""
    kept = Path(os.environ["PHRASEMILL_STATE"]) / "fleet-logs"
    shutil.rmtree(kept, ignore_errors=True)
    for log in sorted(FLEET.glob("*/**/*.log")):
        copy = kept / log.relative_to(FLEET)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, copy)
        if told and log.parent.name in {"logs", "redis"}:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            print(f"\n== {log.relative_to(FLEET)}", *lines[-LAST_WORDS:], sep="\n")
    if told:
        print(f"\nall logs: {kept}")
