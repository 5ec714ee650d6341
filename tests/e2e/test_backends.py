"""The demo's corpus, small, through real servers that are not vLLM, into the demo's bucket, judged by the real gate."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from phrasemill.corpus_file import dump_corpus, dump_document, load_corpus, parse_corpus
from phrasemill.demo.corpus_choice import derived
from phrasemill.demo.keys import Keys
from phrasemill.demo.layout import BUCKET, MODEL, REGION, Layout
from phrasemill.demo.storage import demo_store, make_bucket, s3_client
from phrasemill.manifest import Manifest
from phrasemill.rows import decode_rows
from phrasemill.spec import CorpusSpec
from phrasemill.store.corpus_store import CorpusStore
from tests.e2e.backends import servers

pytestmark = pytest.mark.e2e
PATIENCE_S = 300
WIDE = {"max_reject_share": 0.85, "max_mean_attempt": 6.0}
"""54 % of this model's outputs are rejected, so that with the demo's 0.7 one shard of 12 phrases in 70 would fail."""
REQUEST = {
    "messages": [
        {"role": "user", "content": "Write one short vivid sentence: somebody finds a brass key in the rain."}
    ],
    "max_tokens": 32,
}


@pytest.fixture(scope="module")
def model_folder(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return servers.sampling_folder(layout, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def transformers(layout: Layout, model_folder: Path) -> Iterator[str]:
    """URL of `transformers serve` on the demo's model."""
    layout = servers.with_port(layout, "transformers")
    with servers.running(layout, servers.transformers_part(layout, model_folder, name="transformers")):
        yield layout.url("transformers")


@pytest.fixture
def batching(layout: Layout, model_folder: Path) -> Iterator[str]:
    """URL of `transformers serve --continuous-batching` on the demo's model."""
    layout = servers.with_port(layout, "transformers-batching")
    part = servers.transformers_part(layout, model_folder, name="transformers-batching", batching=True)
    with servers.running(layout, part):
        # The first answer sets the temperature of all that follow: the demo's.
        ask(layout.url("transformers-batching"), temperature=0.6)
        yield layout.url("transformers-batching")


@pytest.fixture(scope="module")
def adapted(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of `transformers serve` on the demo's model with a peft adapter in its folder."""
    folder = servers.sampling_folder(layout, tmp_path_factory.mktemp("adapted"))
    servers.add_adapter(layout, folder)
    layout = servers.with_port(layout, "transformers-lora")
    with servers.running(layout, servers.transformers_part(layout, folder, name="transformers-lora")):
        yield layout.url("transformers-lora")


@pytest.fixture(scope="module")
def llama(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of llama.cpp's server on the demo's GGUF file."""
    gguf = servers.gguf_file(layout, tmp_path_factory.mktemp("gguf"))
    layout = servers.with_port(layout, "llama-cpp")
    with servers.running(layout, servers.llama_part(layout, gguf)):
        yield layout.url("llama-cpp")


class Mill:
    """`phrasemill` on a corpus of its own in the demo's bucket, as a user runs it."""

    def __init__(self, layout: Layout, keys: Keys, spec: CorpusSpec, corpora: Path) -> None:
        (corpora / f"{spec.name}.yaml").write_text(dump_corpus(spec), encoding="utf-8")
        client = s3_client(layout, keys)
        make_bucket(client, BUCKET)
        self.store: CorpusStore = demo_store(client, load_corpus(corpora / f"{spec.name}.yaml"))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._environment = inherited | {
            "PHRASEMILL_CORPORA": str(corpora),
            "AWS_ENDPOINT_URL": layout.url("s3"),
            "AWS_ACCESS_KEY_ID": keys.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": keys.s3_secret_key,
            "AWS_DEFAULT_REGION": REGION,
            "COLUMNS": "1000",
        }

    def __call__(self, command: str, *options: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "phrasemill", command, self.store.spec.name, *options],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def manifests(self) -> list[Manifest]:
        return list(self.store.manifests(self.store.committed()))

    def texts(self) -> list[str]:
        found: list[str] = []
        for manifest in self.manifests():
            content = self.store.bucket.get(manifest.data_key)
            assert content is not None
            found += decode_rows(content, source=manifest.data_key)[0].column("text").to_pylist()
        return found


def small(layout: Layout, name: str, *, phrases: int, shards: int) -> CorpusSpec:
    """The demo's corpus, derived as `make demo PHRASES= SHARDS=` does, under a name that no earlier run has used."""
    name = f"{name}_{secrets.token_hex(3)}"
    spec = derived(load_corpus(layout.shipped_corpora / "demo.yaml"), phrases=phrases, shards=shards)
    document = spec.model_dump(mode="json") | {"name": name}
    document["gate"] |= WIDE
    return parse_corpus(dump_document(document), source=f"{name}.yaml")


def is_whole(mill: Mill, *, phrases: int, shards: int) -> None:
    manifests = mill.manifests()
    assert [manifest.shard for manifest in manifests] == list(range(shards))
    assert all(manifest.verdict["passed"] is True for manifest in manifests)
    assert all(len(manifest.verdict["expectations"]) >= 10 for manifest in manifests)
    texts = mill.texts()
    assert len(texts) == phrases
    report = json.loads(mill("verify", "--deep", "--json"))
    assert report["whole"] is True, report


def ask(url: str, *, temperature: float = 0.0) -> str:
    body = REQUEST | {"model": MODEL, "temperature": temperature}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=PATIENCE_S, trust_env=False)
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


class TestTransformersServe:
    def test_grinds_a_corpus_that_is_whole(self, layout: Layout, keys: Keys, batching: str, tmp_path: Path) -> None:
        mill = Mill(layout, keys, small(layout, "through_transformers", phrases=24, shards=2), tmp_path)
        printed = mill("run", "--engines", batching, "--shards", "0-1")
        assert "one prompt a request to /v1/chat/completions" in printed
        is_whole(mill, phrases=24, shards=2)


class TestLoraThroughTransformersServe:
    def test_adapter_in_the_folder_is_on_the_model_and_its_corpus_is_whole(
        self, layout: Layout, keys: Keys, transformers: str, adapted: str, tmp_path: Path
    ) -> None:
        assert ask(adapted) != ask(transformers)
        mill = Mill(layout, keys, small(layout, "through_lora", phrases=12, shards=1), tmp_path)
        mill("run", "--engines", adapted, "--shards", "0")
        is_whole(mill, phrases=12, shards=1)


class TestLlamaCpp:
    def test_grinds_a_corpus_that_is_whole(self, layout: Layout, keys: Keys, llama: str, tmp_path: Path) -> None:
        mill = Mill(layout, keys, small(layout, "through_llama_cpp", phrases=24, shards=2), tmp_path)
        printed = mill("run", "--engines", llama, "--shards", "0-1")
        assert "llama.cpp" in printed
        is_whole(mill, phrases=24, shards=2)
