"""`phrasemill verify` as people run it: exit codes, one line for each finding, JSON, and what --repair says it did."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from phrasemill.corpus_file import dump_corpus
from phrasemill.facts import Facts
from phrasemill.planning import shard_of
from phrasemill.store.bucket import Bucket
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore
from tests.servers import KEYS, S3Server
from tests.specs import make_spec
from tests.store.rows import shard_rows, stage

Verify = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def store(s3_server: S3Server) -> CorpusStore:
    """Shards 0 and 1 of four are committed."""
    name = S3Server.new_bucket(s3_server.endpoint)
    store = CorpusStore(Bucket(S3Server.client(s3_server.endpoint), name), make_spec(storage={"bucket": name}))
    store.record_spec()
    for number in (0, 1):
        shard = shard_of(store.spec, number)
        rows = shard_rows(store.spec, shard)
        commit_shard(store, shard, rows, facts=Facts(accepted=60), verdict={"passed": True}, run_id="run-1")
    return store


@pytest.fixture
def verify(tmp_path: Path, s3_server: S3Server, store: CorpusStore) -> Verify:
    (tmp_path / "tiny.yaml").write_text(dump_corpus(store.spec))
    environment = {
        **os.environ,
        "PHRASEMILL_CORPORA": str(tmp_path),
        "AWS_ENDPOINT_URL": s3_server.endpoint,
        "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
    }

    def command(*options: str) -> subprocess.CompletedProcess[str]:
        program = [str(Path(sys.executable).with_name("phrasemill")), "verify", "tiny", *options]
        return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return command


def data_key(store: CorpusStore) -> str:
    manifest = store.manifest(0)
    assert manifest is not None
    return manifest.data_key


@pytest.mark.parametrize("options", [(), ("--deep",)])
def test_a_whole_corpus_takes_one_line_and_exit_code_0(verify: Verify, options: tuple[str, ...]) -> None:
    told = verify(*options)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("tiny: whole; 2 of 4 shards committed, 120 phrases; 2 to write: 2-3; ")
    assert len(told.stdout.splitlines()) == 1


def test_each_finding_takes_one_line_with_what_where_and_how_to_mend(verify: Verify, store: CorpusStore) -> None:
    stage(store, shard=1)
    store.bucket.put(data_key(store), b"rotten")
    told = verify()
    assert told.returncode == 1
    damaged, staged, summary = told.stdout.splitlines()
    assert damaged.startswith(f"data_damaged: {store.url(data_key(store))}: its 6 bytes (sha256 ")
    assert "restore it from a backup" in damaged
    assert staged.endswith("3 staged objects of a shard that is committed; `phrasemill verify --repair` removes them")
    assert summary.startswith("tiny: 2 findings; ")


def test_repair_says_what_it_did_and_what_is_to_write(verify: Verify, store: CorpusStore) -> None:
    stage(store, shard=1)
    store.bucket.delete([data_key(store)])
    told = verify("--repair")
    assert told.returncode == 0
    assert "took back the commit of shard-00000, whose data is gone; its manifest: s3://" in told.stdout
    assert "removed 3 staged objects of a shard that is committed" in told.stdout
    assert (
        "to write: shards 0, 2-3. Trigger Dag corpus_tiny with shards '0, 2-3', or "
        "`phrasemill run tiny --shards '0, 2-3'`"
    ) in told.stdout
    assert verify().returncode == 0


def test_what_only_a_person_can_mend_stays_a_finding(verify: Verify, store: CorpusStore) -> None:
    store.bucket.put(data_key(store), b"rotten")
    told = verify("--repair")
    assert told.returncode == 1
    assert told.stdout.startswith("data_damaged: ")
    assert store.bucket.get(data_key(store)) == b"rotten"


def test_json_has_it_all(verify: Verify, store: CorpusStore) -> None:
    store.bucket.delete([data_key(store)])
    told = verify("--json")
    assert told.returncode == 1
    report = json.loads(told.stdout)
    assert (report["whole"], report["committed"], report["missing"]) == (False, 2, [2, 3])
    assert report["findings"][0]["kind"] == "data_gone"
    repaired = json.loads(verify("--json", "--repair").stdout)["repaired"]
    assert repaired["rewrite"] == [0, 2, 3]
    assert len(repaired["done"]) == 1


def test_hostile_keys_are_spelled_out(verify: Verify, store: CorpusStore) -> None:
    store.bucket.put(f"{store.keys.root}/shards/\x1b[31m[bold]red", b"x")
    told = verify()
    assert told.returncode == 1
    assert "\x1b" not in told.stdout
    assert "<U+001B>[31m[bold]red: nothing that phrasemill wrote" in told.stdout
