"""Environments of the peers: one a requirements file, under .venvs/peers, made once and again when the file changes.

A file NAME.txt is compiled from NAME.in by `uv pip compile --python-version 3.11 --no-header --no-emit-index-url`.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
REQUIREMENTS = Path(__file__).parent / "requirements"
VENVS = ROOT / ".venvs" / "peers"
UV = ".venvs/uv/bin/uv"
INSTALLS_WITHIN_S = 300
# pip's own settings (mirrors, certificates) are handed to uv, as for the project's other environments.
MAKE = """
set -euo pipefail
PIP=".venvs/uv/bin/python -m pip"
. requirements/package-index.sh
use_pip_settings
nice -n 10 {uv} venv --quiet --clear --python .venvs/uv/bin/python "$1"
nice -n 10 {uv} pip install --quiet --no-deps --python "$1/bin/python" -r "$2"
"""


class NotInstalled(Exception):
    """A peer's environment could not be made; says why."""


def python_of(name: str) -> Path:
    """The interpreter of a peer's environment, which is made first if need be.

    Raises:
        NotInstalled: uv is missing, refuses, or takes too long.
    """
    requirements, folder = REQUIREMENTS / f"{name}.txt", VENVS / name
    made_of = folder / "requirements.txt"
    if not (made_of.exists() and made_of.read_bytes() == requirements.read_bytes()):
        if not (ROOT / UV).exists():
            raise NotInstalled(f"{UV} is missing; run `make .venvs/uv/.stamp`")
        _install(requirements, folder)
        shutil.copyfile(requirements, made_of)
    return folder / "bin" / "python"


def versions_of(name: str, *packages: str) -> dict[str, str]:
    """The pinned versions of some packages of a peer."""
    pins = dict(
        line.split("==", 1)
        for line in (REQUIREMENTS / f"{name}.txt").read_text("utf-8").splitlines()
        if "==" in line and not line.lstrip().startswith("#")
    )
    return {package: pins[package].split()[0] for package in packages}


def _install(requirements: Path, folder: Path) -> None:
    work = subprocess.Popen(
        ["bash", "-c", MAKE.format(uv=UV), "peers", str(folder), str(requirements)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = work.communicate(timeout=INSTALLS_WITHIN_S)
    except subprocess.TimeoutExpired as error:
        os.killpg(work.pid, signal.SIGKILL)
        work.communicate()
        raise NotInstalled(f"the install took more than {INSTALLS_WITHIN_S} s") from error
    if work.returncode:
        raise NotInstalled(f"the install failed: {' '.join(said.split())[-300:]}")
