"""`phrasemill quarantine` as people type it: a process of its own, a real S3 server, hostile phrases in quarantine."""

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from phrasemill.corpus_file import dump_corpus
from phrasemill.facts import Facts
from phrasemill.gate import check_shard
from phrasemill.gate.note import quarantine_note
from phrasemill.planning import shard_of
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.quarantine import first_attempt, held_rows, quarantine_shard, quarantined
from phrasemill.visible import visible
from tests.servers import KEYS, S3Server
from tests.specs import make_spec
from tests.tables import make_rows, sentences

Command = Callable[..., subprocess.CompletedProcess[str]]

HOSTILE = (
    "\x1b]0;stolen\x07\x1b[2J{} and so on.",
    "\u202e{}\u2066 and so on.",
    "[bold red]{}[/] [link=https://example.invalid]here[/link].",
    "{}\rphrase 0: all is well, said nobody.",
)


@pytest.fixture
def store(s3_server: S3Server) -> CorpusStore:
    spec = make_spec(storage={"bucket": S3Server.new_bucket(s3_server.endpoint)})
    return CorpusStore(Bucket(S3Server.client(s3_server.endpoint), spec.storage.bucket), spec)


@pytest.fixture
def spec(store: CorpusStore) -> CorpusSpec:
    return store.spec


@pytest.fixture
def phrasemill(tmp_path: Path, s3_server: S3Server, spec: CorpusSpec) -> Command:
    (tmp_path / f"{spec.name}.yaml").write_text(dump_corpus(spec))
    environment = os.environ | {
        "PHRASEMILL_CORPORA": str(tmp_path),
        "AWS_ENDPOINT_URL": s3_server.endpoint,
        "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
        "COLUMNS": "220",
    }

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = [str(Path(sys.executable).with_name("phrasemill")), "quarantine", *arguments]
        return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return command


def hold(store: CorpusStore, *, shard: int = 0, run_id: str = "night-1", attempt: int = 0) -> None:
    """Quarantine a shard of short and hostile phrases."""
    planned = shard_of(store.spec, shard)
    texts = [HOSTILE[n % 4].format(text) for n, text in enumerate(sentences(60, words=2))]
    rows = make_rows(store.spec, planned, texts=texts, attempts=[attempt] * 60)
    facts = Facts(accepted=60, rejects={"meta": 3}, examples={"meta": ["Sure!"]})
    verdict = check_shard(rows, spec=store.spec, shard=planned, facts=facts, fingerprint=store.fingerprint)
    assert "mean characters a phrase" in [failure.name for failure in verdict.failures]
    note = quarantine_note(verdict, corpus=store.spec.name, shard=planned, run_id=run_id)
    record, reason = verdict.model_dump(mode="json"), verdict.reason()
    quarantine_shard(store, planned, rows, facts=facts, verdict=record, reason=reason, note=note, run_id=run_id)


def assert_inert(output: str) -> None:
    strange = {character for character in output if not character.isprintable() and character != "\n"}
    assert strange == set()


class TestLooking:
    def test_nothing_has_failed(self, phrasemill: Command) -> None:
        assert "no shard has failed the gate" in phrasemill("list", "tiny").stdout
        assert json.loads(phrasemill("list", "tiny", "--json").stdout) == []
        shown = phrasemill("show", "tiny", "0")
        assert shown.returncode == 1
        assert "tiny shard-00000: nothing is held in quarantine" in shown.stderr

    def test_list_tells_what_has_become_of_each(self, phrasemill: Command, store: CorpusStore) -> None:
        hold(store, shard=0)
        hold(store, shard=2, run_id="night-2")
        entries = json.loads(phrasemill("list", "tiny", "--json").stdout)
        assert [(entry["shard"], entry["run"], entry["state"]) for entry in entries] == [
            (0, "night-1", "held"),
            (2, "night-2", "held"),
        ]
        assert "mean characters a phrase" in entries[0]["reason"]
        listed = phrasemill("list", "tiny").stdout
        assert listed.count("held") == 2
        assert_inert(listed)

    def test_show_has_verdict_failing_rows_and_random_rows_and_nothing_of_them_acts(
        self, phrasemill: Command, store: CorpusStore
    ) -> None:
        hold(store)
        shown = phrasemill("show", "tiny", "0", "--seed", "3").stdout
        assert_inert(shown)
        assert "<U+001B>]0;stolen<U+0007><U+001B>[2J" in shown
        assert "<U+202E>" in shown
        assert "[bold red]" in shown
        verdict = shown.partition("Verdict, the worst first")[2]
        assert verdict.index("critical") < verdict.index("holds")
        assert "Rows that show it" in shown
        assert "10 random rows" in shown
        assert shown.count(", attempt 0") == 10
        assert phrasemill("show", "tiny", "0", "--seed", "3").stdout == shown

    def test_show_as_json(self, phrasemill: Command, store: CorpusStore) -> None:
        hold(store)
        ran = phrasemill("show", "tiny", "0", "--json")
        assert ran.stdout.isascii()
        assert_inert(ran.stdout)
        shown = json.loads(ran.stdout)
        [item] = quarantined(store)
        texts = held_rows(store, item).column("text").to_pylist()
        assert len(shown["rows"]) == 10
        assert all(texts[row["phrase_id"]] == row["text"] for row in shown["rows"])
        assert shown["verdict"] == item.verdict

    def test_one_run_of_several(self, phrasemill: Command, store: CorpusStore) -> None:
        hold(store)
        hold(store, run_id="night-2", attempt=4)
        assert ", attempt 4" in phrasemill("show", "tiny", "0").stdout
        assert ", attempt 0" in phrasemill("show", "tiny", "0", "--run", "night-1").stdout


class TestDeciding:
    def test_accept_commits_and_tells_by_whom_and_why(self, phrasemill: Command, store: CorpusStore) -> None:
        hold(store)
        ran = phrasemill("accept", "tiny", "0", "--reason", "short on purpose", "--by", "anna")
        assert ran.returncode == 0, ran.stderr
        assert "tiny shard-00000 is committed: s3://" in ran.stdout
        assert "accepted in spite of mean characters a phrase: " in ran.stdout
        manifest = store.manifest(0)
        assert manifest is not None
        assert manifest.accepted is not None
        assert (manifest.accepted.by, manifest.accepted.reason) == ("anna", "short on purpose")
        assert [entry["state"] for entry in json.loads(phrasemill("list", "tiny", "--json").stdout)] == ["accepted"]
        again = phrasemill("accept", "tiny", "0", "--reason", "once more")
        assert again.returncode == 1
        assert "is committed already" in again.stderr

    def test_accept_wants_a_reason(self, phrasemill: Command, store: CorpusStore) -> None:
        hold(store)
        assert phrasemill("accept", "tiny", "0").returncode == 2
        assert phrasemill("accept", "tiny", "0", "--reason", " ").returncode == 1
        assert store.committed() == []

    def test_discard_removes_all_rows_of_a_shard_and_keeps_what_was_used(
        self, phrasemill: Command, store: CorpusStore
    ) -> None:
        hold(store)
        hold(store, run_id="night-2", attempt=4)
        ran = phrasemill("discard", "tiny", "0")
        assert ran.stdout.count("its record stays") == 2
        entries = json.loads(phrasemill("list", "tiny", "--json").stdout)
        assert [entry["state"] for entry in entries] == ["discarded", "discarded"]
        assert entries[0]["discarded"]["by"] == getpass.getuser()
        assert first_attempt(store, shard_of(store.spec, 0)) == 5
        assert phrasemill("discard", "tiny", "0").returncode == 1

    def test_discard_of_one_run_leaves_the_others(self, phrasemill: Command, store: CorpusStore) -> None:
        hold(store)
        hold(store, run_id="night-2", attempt=4)
        phrasemill("discard", "tiny", "0", "--run", "night-1")
        assert [item.run for item in quarantined(store)] == ["night-2"]


class TestVisible:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("Тихий фонарь — «ещё» 🦊.", "Тихий фонарь — «ещё» 🦊."),
            ("a\x1b[31mb\n", "a<U+001B>[31mb<U+000A>"),
            ("\u202eabc\u2069\u200b\ufeff", "<U+202E>abc<U+2069><U+200B><U+FEFF>"),
            ("a\u00a0b\u2028c\ue000", "a<U+00A0>b<U+2028>c<U+E000>"),
            ("z\u0301\u0302\u0303\u0304", "z\u0301\u0302<U+0303><U+0304>"),
            ("\U000e0041", "<U+E0041>"),
        ],
    )
    def test_what_does_not_print_as_itself_is_spelled_out(self, text: str, shown: str) -> None:
        assert visible(text) == shown

    def test_a_long_word_is_cut(self) -> None:
        assert visible("W" * 10_240, most=5) == "WWWWW ... and 10235 more characters"
