"""Where the demo's files lie and which ports its parts listen on."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from phrasemill.demo.errors import DemoError, DemoOptionError, DiskFull

HOST = "127.0.0.1"
MODEL = "SmolLM2-135M-Instruct"
BUCKET = "phrasemill"
REGION = "us-east-1"
PORTS = {"s3": 9000, "engine": 8100, "airflow": 8080}
NEEDED_MB = 500
"""Free disk that the running parts need: logs, Airflow's database, the corpus twice over."""


@dataclass(frozen=True)
class Layout:
    """One demo: the checkout it runs from, its state folder, and a port for each server."""

    root: Path
    state: Path
    models: Path
    ports: dict[str, int]

    @classmethod
    def from_environment(cls) -> Self:
        """The layout of this checkout, moved by PHRASEMILL_STATE, PHRASEMILL_MODELS and the port variables.

        Raises:
            DemoError: the package does not lie in a checkout.
            DemoOptionError: a port is not a number between 1 and 65535.
        """
        root = Path(__file__).resolve().parents[3]
        if not (root / "requirements" / "demo-s3.txt").is_file():
            raise DemoError(f"the demo needs the project's checkout, and {root} is none; clone it and run make demo")
        state = (root / os.environ.get("PHRASEMILL_STATE", ".phrasemill")).resolve()
        models = (root / os.environ.get("PHRASEMILL_MODELS", ".phrasemill/models")).resolve()
        return cls(root=root, state=state, models=models, ports={name: _port(name) for name in PORTS})

    def python(self, environment: str) -> Path:
        """The Python of the environment .venvs/`environment`."""
        return self.root / ".venvs" / environment / "bin" / "python"

    def url(self, server: str) -> str:
        """Address of `s3`, `engine` or `airflow`."""
        return f"http://{HOST}:{self.ports[server]}"

    @property
    def model_folder(self) -> Path:
        """The converted model."""
        return self.models / MODEL

    @property
    def logs(self) -> Path:
        """A log for each part and each set-up step."""
        return self.state / "logs"

    @property
    def engines(self) -> Path:
        """The state folder of the engines' supervisor."""
        return self.state / "engines"

    @property
    def airflow_home(self) -> Path:
        """Airflow's database, configuration, passwords and task logs."""
        return self.state / "airflow"

    @property
    def corpora(self) -> Path:
        """Corpus files derived from the shipped ones by PHRASES and SHARDS."""
        return self.state / "corpora"

    @property
    def shipped_corpora(self) -> Path:
        """Corpus files of the checkout."""
        return self.root / "include" / "corpora"

    def shown(self, path: Path) -> str:
        """`path` as a person at the checkout would type it."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def check_disk(self) -> None:
        """Refuse to start on a full disk.

        Raises:
            DiskFull: fewer than `NEEDED_MB` are free.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.state).free // 2**20
        if free < NEEDED_MB:
            raise DiskFull(
                f"{free} MB are free under {self.shown(self.state)} and the demo needs {NEEDED_MB}; make room"
            )


def port_variable(server: str) -> str:
    """Name of the environment variable that moves a server's port."""
    return f"PHRASEMILL_{server.upper()}_PORT"


def _port(server: str) -> int:
    variable = port_variable(server)
    value = os.environ.get(variable) or str(PORTS[server])
    if not value.isdecimal() or not 1 <= int(value) <= 65535:
        raise DemoOptionError(f"{variable} is {value!r}; give a port between 1 and 65535")
    return int(value)
