"""Engines that serve the adapter which tests/lora/run.sh has trained, beside its base model and its merged form."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from phrasemill.corpus_file import dump_document, load_corpus
from phrasemill.report import CorpusSummary
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from tests.servers import KEYS, S3Server, free_port

ROOT = Path(__file__).resolve().parents[2]
BASE, ADAPTER, MERGED = "SmolLM2-135M-Instruct", "harbour", "SmolLM2-135M-harbour"
SHARD, SHARDS = 100, 2
PATIENCE_S = 420


@dataclass(frozen=True)
class Trained:
    """What run.sh has made: a folder each of the model, the adapter, and both merged."""

    folder: Path
    model: Path

    @property
    def adapter(self) -> Path:
        return self.folder / "adapter"

    @property
    def merged(self) -> Path:
        return self.folder / "merged"


@pytest.fixture(scope="session")
def trained() -> Trained:
    if "PHRASEMILL_LORA" not in os.environ:
        pytest.fail("these tests serve an adapter that is trained first; run them by make e2e-lora")
    models = Path(os.environ.get("PHRASEMILL_MODELS", ".phrasemill/models"))
    return Trained(Path(os.environ["PHRASEMILL_LORA"]).resolve(), (ROOT / models / BASE).resolve())


@contextmanager
def serving(trained: Trained, name: str, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """`phrasemill serve` on the CPU with one engine, begun; the file is there once it serves."""
    urls, log = trained.folder / f"{name}.urls", trained.folder / f"{name}.log"
    urls.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "phrasemill", "serve", "--profile", "cpu-0.1b", "--port", str(free_port())),
        *("--python", str(ROOT / ".venvs/engines-cpu/bin/python"), "--urls-file", str(urls), "--drain", "10"),
        *("--state", str(trained.folder / f"{name}-state"), "--caches", str(trained.folder / "cache"), *options),
    ]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield process, urls
        finally:
            process.terminate()
            try:
                process.wait(120)
            finally:
                process.kill()


def served(process: subprocess.Popen[bytes], urls: Path) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while not urls.exists():
        told = urls.with_suffix(".log").read_text(encoding="utf-8")
        assert process.poll() is None, told
        assert time.monotonic() < deadline, told
        time.sleep(0.2)
    return urls.read_text(encoding="utf-8").strip()


@pytest.fixture(scope="session")
def urls(trained: Trained) -> Iterator[dict[str, str]]:
    """The engine that asks for each name: base model and adapter share one, the merged model has its own."""
    with ExitStack() as stack:
        model = ("--model", str(trained.model))
        merged = ("--model", str(trained.merged), "--served-name", MERGED)
        both = stack.enter_context(serving(trained, "adapter-engine", *model, "--lora", f"{ADAPTER}={trained.adapter}"))
        alone = stack.enter_context(serving(trained, "merged-engine", *merged))
        yield {BASE: served(*both), ADAPTER: served(*both), MERGED: served(*alone)}


@dataclass
class Desk:
    """Corpora in a real bucket, written, gated, committed and reported by the `phrasemill` command."""

    folder: Path
    urls: dict[str, str]
    endpoint: str
    bucket: str
    engines: dict[str, str] = field(default_factory=dict)

    def corpus(self, name: str, asked: str, **changes: Any) -> None:
        """Make a corpus file of the demo's prompts that asks for `asked`: a model, or the adapter of the base model."""
        document = load_corpus(ROOT / "include/corpora/demo.yaml").model_dump(mode="json")
        document |= {"name": name, "title": f"Harbour sketches by {asked}"}
        document |= {"target_phrases": SHARD * SHARDS, "shard_phrases": SHARD, "block_phrases": SHARD // 5}
        document["model"] |= {"name": BASE, "adapter": ADAPTER} if asked == ADAPTER else {"name": asked}
        document["storage"] |= {"bucket": self.bucket}
        document["gate"] |= {"min_mean_chars": 45}
        document["engines"] |= {"in_flight": 128}
        for section, fields in changes.items():
            document[section] |= fields
        self.file(name).write_text(dump_document(document), encoding="utf-8")
        self.engines[name] = self.urls[asked]

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.yaml"

    def phrasemill(self, *words: str) -> "subprocess.CompletedProcess[str]":
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        aws = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
            "AWS_DEFAULT_REGION": KEYS["region_name"],
        }
        command = [sys.executable, "-m", "phrasemill", *words]
        return subprocess.run(
            command, env=inherited | aws, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )

    def run(self, name: str, shard: int) -> "subprocess.CompletedProcess[str]":
        return self.phrasemill("run", str(self.file(name)), "--engines", self.engines[name], "--shards", str(shard))

    def commit(self, name: str, shard: int) -> None:
        done = self.run(name, shard)
        assert done.returncode == 0, done.stdout + done.stderr

    def report(self, name: str) -> CorpusSummary:
        """What `phrasemill report` writes for programs; the page for people lies beside it."""
        folder = self.folder / f"report-{name}"
        done = self.phrasemill("report", str(self.file(name)), "--to", str(folder))
        assert done.returncode == 0, done.stdout + done.stderr
        return CorpusSummary.model_validate_json((folder / "summary.json").read_bytes())

    def store(self, name: str) -> CorpusStore:
        return CorpusStore(Bucket(S3Server.client(self.endpoint), self.bucket), load_corpus(self.file(name)))


@pytest.fixture(scope="session")
def desk(trained: Trained, urls: dict[str, str], s3_server: S3Server) -> Desk:
    return Desk(trained.folder, urls, s3_server.endpoint, S3Server.new_bucket(s3_server.endpoint))
