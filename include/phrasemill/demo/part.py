"""A part of the demo: one server process, what starts it and how to tell that it works."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

FOREIGN = ("AIRFLOW", "AWS_", "HF_", "PHRASEMILL_", "PYTHON", "TRANSFORMERS_", "VIRTUAL_ENV", "VLLM_")
"""Variables of the caller's shell that would change what a part does, by how they begin."""


@dataclass(frozen=True)
class Part:
    """What to run, with which variables, and the question that tells that it works."""

    name: str
    title: str
    command: tuple[str, ...]
    variables: dict[str, str]
    healthy: Callable[[], bool] = field(repr=False, compare=False)
    patience_s: float
    """Seconds from its start in which it must become healthy."""
    server: str | None = None
    """Which of the layout's ports it listens on, if any."""
    environment: Path | None = None
    """The stamp of the virtual environment it runs from: made again means started again."""
    grace_s: float = 8.0
    """Between asking it to end and ending it. Asked once, Airflow's scheduler may wait for ever."""

    def recipe(self) -> str:
        """Changes when a running process would no longer be the one that `command` starts."""
        made = self.environment.stat().st_mtime_ns if self.environment and self.environment.exists() else 0
        text = json.dumps([self.command, self.variables, made], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def full_environment(self) -> dict[str, str]:
        """The caller's environment without what is foreign to the demo, plus the part's own variables."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return inherited | self.variables
