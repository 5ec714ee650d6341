"""Options that several commands of engines take."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str, typer.Option(help="Folder of the model, or its name on the Hugging Face hub.")]
ProfileName = Annotated[
    str | None, typer.Option(help="A shipped profile, or the path of one; default: the one for this machine and model.")
]
Gpus = Annotated[str | None, typer.Option(help="Which GPUs, such as 0,1; default: all.")]
Loras = Annotated[list[str] | None, typer.Option(help="An adapter as NAME=FOLDER. Repeatable.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port of the first engine; the others follow.")]
Python = Annotated[
    Path,
    typer.Option(
        envvar="PHRASEMILL_VLLM_PYTHON",
        help="Python of the environment that has vLLM.",
        show_default="the one that runs phrasemill",
    ),
]
State = Annotated[
    Path | None, typer.Option(help="Folder for logs and state; default: one for each --port in your home.")
]
Caches = Annotated[Path | None, typer.Option(help="Folder for compile caches, kept between starts.")]
LoadFormat = Annotated[
    str | None,
    typer.Option(help="How vLLM reads weights; 'dummy' makes random ones, to measure speed."),
]
ApiKeyFile = Annotated[
    Path | None, typer.Option(help="File of mode 0600 with the API key; default: PHRASEMILL_API_KEY, if that is set.")
]
OWN_PYTHON = Path(sys.executable)


def absolute(python: Path) -> Path:
    """The interpreter by its absolute path, links kept: a virtual environment's is a link to another."""
    return Path(os.path.abspath(python.expanduser())) if python.parent != Path() else python  # noqa: PTH100
