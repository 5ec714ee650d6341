"""The tables of docs/choosing.md: vLLM, `transformers serve` and llama.cpp's server with one model on this machine.

`python -m tests.benchmarks.comparison engines FOLDER` compares the three, all up and asked one after the other;
`python -m tests.benchmarks.comparison settings FOLDER` varies settings on vLLM alone. What follows goes to
`phrasemill compare`, such as `--phrases 200`. It needs the environments of `make environments` and .venvs/llama-cpp.
Nothing else should run: llama.cpp with two threads wrote 0.5 tokens a second on two cores that another process used.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from phrasemill.demo.layout import Layout
from phrasemill.demo.parts import engine_part
from tests.e2e.backends import servers

CORPUS = "demo"
SETTINGS = (
    "as it is:",
    "temperature 0.3: sampling.temperature=0.3",
    "temperature 1.0: sampling.temperature=1.0",
    "n 8: sampling.n=8",
    "4 a prompt: sampling.phrases_per_prompt=4",
)

MORE = {"transformers-serve": " engines.in_flight=8", "llama.cpp": " engines.in_flight=8"}
"""llama.cpp's server has eight slots; each request of `transformers serve` is a thread, and 64 of them crawl."""


def main() -> int:
    """Start what is compared, compare, and end it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("engines", "settings"))
    parser.add_argument("folder", type=Path)
    asked, more = parser.parse_known_args()
    with ExitStack() as stack:
        made = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        layout = Layout.from_environment()
        layout = replace(layout, state=layout.state / "comparison")  # beside a demo that may run
        for name in ("engine", "transformers", "llama-cpp"):
            layout = servers.with_port(layout, name)
        parts = {"vLLM": engine_part(layout)}
        if asked.what == "engines":
            parts["transformers-serve"] = servers.transformers_part(
                layout, servers.sampling_folder(layout, made), name="transformers"
            )
            parts["llama.cpp"] = servers.llama_part(layout, servers.gguf_file(layout, made))
        for part in parts.values():
            stack.enter_context(servers.running(layout, part))
        engines = [f"--engines={name}={layout.url(part.server)}{MORE.get(name, '')}" for name, part in parts.items()]
        sides = [f"--side={side}" for side in SETTINGS] if asked.what == "settings" else []
        command = [sys.executable, "-m", "phrasemill", "compare", CORPUS, *engines, *sides, "--to", str(asked.folder)]
        return subprocess.run([*command, *more], env=os.environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
