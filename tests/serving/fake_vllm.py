"""An importable stand-in for vLLM's CPU build: `python -m vllm.entrypoints.cli.main serve` is a fake engine.

The rest of the chain is real: the version is asked, the launch is planned, the process is supervised.
"""

import json
from pathlib import Path

SERVER = """
import argparse, os, sys, time
from phrasemill.engines.fake.server import serve
from phrasemill.engines.fake.settings import FakeEngineSettings

parser = argparse.ArgumentParser()
parser.add_argument("command"), parser.add_argument("place")
for flag in ("--served-model-name", "--host", "--shutdown-timeout"):
    parser.add_argument(flag)
for flag in ("--port", "--max-model-len", "--max-num-seqs"):
    parser.add_argument(flag, type=int)
asked, _ = parser.parse_known_args()
if os.path.exists(os.path.join(asked.place, "broken")):
    sys.exit("ValueError: these weights are no weights")
while os.path.exists(os.path.join(asked.place, "held")):
    time.sleep(0.05)
serve(FakeEngineSettings(
    host=asked.host, port=asked.port, model=asked.served_model_name, max_model_len=asked.max_model_len,
    max_num_seqs=asked.max_num_seqs, shutdown_timeout=int(asked.shutdown_timeout), latency_ms=50,
    api_key=os.environ.get("VLLM_API_KEY"),
))
"""
CONFIG = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 2,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 1000,
    "max_position_embeddings": 8192,
}


def install(folder: Path) -> Path:
    """Make the package under `folder`; returns what belongs on PYTHONPATH."""
    package = folder / "site" / "vllm" / "entrypoints" / "cli"
    package.mkdir(parents=True)
    for each in (package, *package.parents[:2]):
        (each / "__init__.py").touch()
    (package / "main.py").write_text(SERVER)
    metadata = folder / "site" / "vllm-0.32.0+cpu.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n")
    return folder / "site"


def make_model(folder: Path) -> Path:
    """A model's folder, its weights empty."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").touch()
    return folder
