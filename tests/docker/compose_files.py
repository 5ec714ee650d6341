"""The compose files as Compose itself reads them, with secrets that docker/secrets.sh made."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
BIN = Path(sys.executable).parent

BOX = ("compose.yaml",)
CPU = ("compose.yaml", "compose.cpu.yaml")
FLEET = ("compose.yaml", "compose.fleet.yaml")
FLEET_ON_CPU = ("compose.yaml", "compose.fleet.yaml", "compose.cpu.yaml")
NODE = ("compose.engines.yaml",)
COMBINATIONS = (BOX, CPU, FLEET, FLEET_ON_CPU, NODE)
TITLES = ("box", "cpu", "fleet", "fleet-on-cpu", "node")
NODE_ADDRESS = "10.0.0.11"
ONE_SHOTS = {"check", "init", "phrasemill"}
"""What is done once: no restart, and no health to ask about."""


def make_secrets(folder: Path) -> Path:
    """A .env file in the folder, made by the script as it lies in docker/."""
    for name in ("secrets.sh", ".env.example"):
        shutil.copy2(DOCKER / name, folder / name)
    subprocess.run([folder / "secrets.sh"], check=True, capture_output=True, text=True)
    return folder / ".env"


def read_env(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def secret_names() -> list[str]:
    """The names that docker/.env.example leaves to the script."""
    return [name for name, value in read_env(DOCKER / ".env.example").items() if not value]


def compose(
    files: tuple[str, ...], env_file: Path | str, *words: str, **more: str
) -> "subprocess.CompletedProcess[str]":
    named = [word for file in files for word in ("--file", str(DOCKER / file))]
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [BIN / "docker-compose", "--env-file", env_file, *named, *words],
        capture_output=True,
        text=True,
        check=False,
        env=bare | more,
    )


EVERY_PROFILE = ("engines-here", "commands")


def read_compose(files: tuple[str, ...], env_file: Path, *profiles: str) -> dict[str, Any]:
    """The whole configuration, merged and filled in."""
    chosen = [word for profile in profiles for word in ("--profile", profile)]
    answer = compose(files, env_file, *chosen, "config", "--format", "json", NODE_ADDRESS=NODE_ADDRESS)
    if answer.returncode:
        raise AssertionError(answer.stderr)
    whole: dict[str, Any] = json.loads(answer.stdout)
    return whole


def seconds(duration: str) -> float:
    """Compose's durations: 2m30s."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    total, number = 0.0, ""
    for character in duration:
        if character in units:
            total, number = total + float(number) * units[character], ""
        else:
            number += character
    return total


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def tagged(image: str) -> tuple[str, str]:
    """Name and tag; an image without a tag has the tag ''."""
    name, _, tag = image.rpartition(":")
    return (name, tag) if name and "/" not in tag else (image, "")


def strings(tree: Any, path: tuple[str, ...] = ()) -> Mapping[tuple[str, ...], str]:
    """Every text of a parsed YAML file by where it stands."""
    found: dict[tuple[str, ...], str] = {}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found |= {(*path, str(key)): value} if isinstance(value, str) else strings(value, (*path, str(key)))
    return found
