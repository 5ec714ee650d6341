"""What every driver is told and what it tells back. Standard library only: peers' environments hold nothing of ours.

python -m tests.benchmarks.peers.drivers.NAME ask  TASK   ask for all phrases, keep them under the task's folder
python -m tests.benchmarks.peers.drivers.NAME left TASK   print as JSON what is left there now
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


class Ask(NamedTuple):
    """One phrase to ask for."""

    id: int
    system: str
    prompt: str

    @property
    def messages(self) -> list[dict[str, str]]:
        """As a chat."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.prompt}]


@dataclass(frozen=True)
class Task:
    """`count` phrases of the engine at `url`, `in_flight` at a time, kept in `folder`.

    `options` are one tool's own: which of its ways of working is measured.
    """

    url: str
    model: str
    prompts_file: str
    folder: str
    count: int
    in_flight: int
    max_tokens: int
    temperature: float
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        """The folder as a path."""
        return Path(self.folder)

    def asks(self) -> Iterator[Ask]:
        """The first `count` prompts of the file, a JSON list [id, system, prompt] a line."""
        with Path(self.prompts_file).open(encoding="utf-8") as lines:
            for _, line in zip(range(self.count), lines, strict=False):
                yield Ask(*json.loads(line))

    def to_json(self) -> str:
        """The argument that `run` reads."""
        return json.dumps(asdict(self))


@dataclass
class Left:
    """Ids of the phrases with text that lie on disk, one a row: in what the tool resumes from, and in its output."""

    resumable: list[int] = field(default_factory=list)
    output: list[int] = field(default_factory=list)


def run(ask: Callable[[Task], None], left: Callable[[Task], Left]) -> None:
    """Be a driver: do what the command line says."""
    _, action, argument = sys.argv
    task = Task(**json.loads(argument))
    task.out.mkdir(parents=True, exist_ok=True)
    if action == "ask":
        ask(task)
    else:
        sys.stdout.write(json.dumps(asdict(left(task))) + "\n")
