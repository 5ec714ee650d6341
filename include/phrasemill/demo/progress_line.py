"""The live line: the state of each step, phrases accepted, phrases a second, time left."""

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from rich.console import Console
from rich.live import Live
from rich.text import Text

from phrasemill.demo.health import TIMEOUT_S

STEPS = ("preflight", "plan", "shard.generate", "shard.validate", "shard.publish", "close_night")
DONE = {"success", "skipped"}
FAILED = {"failed", "upstream_failed"}
WORDS = {None: "waits", "scheduled": "waits", "success": "ok", "upstream_failed": "not reached"}
UNMAPPED = -1
"""The map index of a task that is not mapped, or not yet."""
PLAIN_EVERY_S = 10.0
"""Between lines where the output is no terminal."""
WRITTEN = re.compile(r"^vllm:request_success_total\{[^}]*\} ([\d.e+]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Sight:
    """What is seen of a run at one moment."""

    instances: list[dict[str, Any]]
    accepted: int
    written: int | None
    """Phrases that the engine has answered since the run began, accepted or not; None if it does not tell."""


@dataclass
class ProgressLine:
    """Turns sights into one line; rates count from the first phrase of this run."""

    target: int
    begun: float = field(default_factory=time.monotonic)
    _first: tuple[float, int] | None = None

    def line(self, sight: Sight, now: float) -> str:
        """The line for a sight at `now` (seconds, monotonic)."""
        steps = ", ".join(_step(step, sight.instances) for step in STEPS)
        phrases = f"{sight.accepted}/{self.target} phrases"
        if sight.written:
            phrases += f" of {sight.written} written"
        return f"{clock(now - self.begun)}  {phrases}{self._pace(sight, now)}  {steps}"

    def _pace(self, sight: Sight, now: float) -> str:
        generating = any(
            entry["task_id"] == "shard.generate" and entry["state"] == "running" for entry in sight.instances
        )
        if self._first is None:
            if generating:
                self._first = (now, sight.accepted)
            return ""
        since, before = self._first
        rate = (sight.accepted - before) / max(now - since, 1e-3)
        if not generating or rate <= 0:
            return ""
        left = (self.target - sight.accepted) / rate
        return f", {rate:.1f}/s, {clock(left)} left"


def engine_answers(engine_url: str) -> int | None:
    """How many prompts the engine has answered since its start, or None if it does not tell."""
    try:
        page = httpx.get(f"{engine_url}/metrics", timeout=TIMEOUT_S, trust_env=False).text
    except httpx.HTTPError:
        return None
    counts = WRITTEN.findall(page)
    return int(sum(float(count) for count in counts)) if counts else None


class Screen:
    """Shows the line: redrawn in place on a terminal, every few seconds as a line of its own elsewhere."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._shown_at = -PLAIN_EVERY_S

    def __enter__(self) -> Callable[[str], None]:
        if self._live:
            self._live.start()
        return self.show

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, line: str) -> None:
        """Put the line on the screen."""
        if self._live:
            self._live.update(Text(line), refresh=True)
        elif time.monotonic() - self._shown_at >= PLAIN_EVERY_S:
            self._shown_at = time.monotonic()
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


def _step(step: str, instances: list[dict[str, Any]]) -> str:
    ours = [entry for entry in instances if entry["task_id"] == step]
    states = [entry["state"] for entry in ours]
    name = step.removeprefix("shard.")
    if [entry["map_index"] for entry in ours] == [UNMAPPED]:
        return f"{name} {WORDS.get(states[0], states[0])}"
    failed = sum(state in FAILED for state in states)
    done = f"{sum(state in DONE for state in states)}/{len(states)}"
    return f"{name} {done}" + (f" ({failed} failed)" if failed else "")


def clock(seconds: float) -> str:
    """Minutes and seconds, such as 1:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
