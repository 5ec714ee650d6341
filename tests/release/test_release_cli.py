"""`phrasemill release` as people run it, on a real S3 server."""

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console

from phrasemill.cli.program import main
from phrasemill.cli.release import MemoryUnreadable, StepLines, memory_of
from phrasemill.corpus_file import dump_corpus
from phrasemill.release.cutting import DEFAULT_MEMORY
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from tests.release.committing import commit, sentence
from tests.servers import KEYS, S3Server
from tests.specs import make_spec


class Told(NamedTuple):
    """What a command said, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


Release = Callable[..., Told]


@pytest.fixture
def store(s3_server: S3Server) -> CorpusStore:
    """Two shards for a target of 120 phrases, none committed."""
    name = S3Server.new_bucket(s3_server.endpoint)
    spec = make_spec(storage={"bucket": name}, target_phrases=120, schedule={"cron": None})
    return CorpusStore(Bucket(S3Server.client(s3_server.endpoint), name), spec)


@pytest.fixture
def release(
    tmp_path: Path,
    s3_server: S3Server,
    store: CorpusStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Release:
    """The command in this process: a process of its own takes seconds to start."""
    (tmp_path / "tiny.yaml").write_text(dump_corpus(store.spec))
    monkeypatch.setenv("PHRASEMILL_CORPORA", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["aws_secret_access_key"])

    def command(*options: str) -> Told:
        monkeypatch.setattr(sys, "argv", ["phrasemill", "release", "tiny", *options])
        with pytest.raises(SystemExit) as exited:
            main()
        said = capsys.readouterr()
        return Told(int(exited.value.code or 0), said.out, said.err)

    return command


def test_it_tells_the_steps_and_what_was_published_and_where(release: Release, store: CorpusStore) -> None:
    commit(store, 0)
    commit(store, 1)
    made = release()
    assert made.returncode == 0, made.stderr
    assert re.search(r"^sketch +1 piece +[\d.]+ s$", made.stderr, re.MULTILINE)
    assert re.search(r"^publish +1 piece +[\d.]+ s$", made.stderr, re.MULTILINE)
    first, dropped, where, fetch = made.stdout.splitlines()
    assert first.startswith("release v1 of tiny: 120 phrases, ")
    assert dropped == "of 120 committed phrases 0 were dropped as exact duplicates and 0 as near ones"
    assert where == f"it lies in s3://{store.bucket.name}/corpora/tiny/releases/v1/"
    assert fetch == "to fetch and verify it: phrasemill get tiny v1 DIR"
    again = release("--version", "v1")
    assert (again.returncode, again.stdout) == (1, "")
    assert "release v1 of tiny is published already" in again.stderr


def test_too_few_phrases_are_told_in_one_line_with_what_to_do(release: Release, store: CorpusStore) -> None:
    missing = release()
    assert missing.returncode == 1
    assert "no shard of tiny is committed yet" in missing.stderr
    commit(store, 0)
    commit(store, 1, [sentence(one - 60) if one < 70 else sentence(one) for one in range(60, 120)])
    short = release()
    assert (short.returncode, short.stdout) == (1, "")
    told = short.stderr.splitlines()[-1]
    assert told.startswith("release v1 of tiny is short by 10 phrases: of 120 committed 110 are unique")
    assert "`phrasemill run tiny --shards '2'`" in told
    partial = release("--partial", "--version", "draft", "--memory", "2GB")
    assert partial.returncode == 0, partial.stderr
    assert partial.stdout.startswith("release draft of tiny: 110 phrases, ")


def test_memory_is_read_in_powers_of_1000_or_1024() -> None:
    assert memory_of("4GB") == 4 * 10**9
    assert memory_of("1.5 tb") == 1_500 * 10**9
    assert memory_of("900MiB") == 900 * 2**20
    assert memory_of("4GiB") == DEFAULT_MEMORY


@pytest.mark.parametrize("text", ["4", "GB", "4 gigabytes", "-4GB", "4kB", "1e9GB"])
def test_what_is_no_memory_is_refused(text: str) -> None:
    with pytest.raises(MemoryUnreadable, match="write such as 4GB or 4GiB"):
        memory_of(text)


def test_a_step_is_one_line_once_it_is_done() -> None:
    console = Console(file=io.StringIO(), width=100)
    with StepLines(console) as lines:
        for done in range(3):
            lines.tell("near", done, 2)
        lines.tell("resolve", 0, 1)
        lines.tell("resolve", 1, 1)
        lines.tell("judge", 0, 1)
    told = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split()[:-2] for line in told] == [["near", "2", "pieces"], ["resolve", "1", "piece"]]
