"""Shows engines as they start: a live table on a terminal, lines elsewhere."""

from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from phrasemill.serving.engine_state import EngineState, Phase
from phrasemill.serving.status import STYLES, duration


class StartDisplay:
    """A context manager; `show` takes the states whenever one has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._states: list[EngineState] = []
        self._line = ""
        self._live = (
            Live(console=console, get_renderable=self._table, refresh_per_second=2, transient=True)
            if console.is_terminal
            else None
        )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None
        self._line = ""

    def show(self, states: list[EngineState]) -> None:
        """Show these states."""
        self._states = states
        line = summary(states)
        if self._live is None and line != self._line:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)
            self._line = line

    def _table(self) -> Table:
        table = Table("engine", "state", "for", "URL", "log", box=None, pad_edge=False)
        now = datetime.now(UTC)
        for state in self._states:
            since = duration((now - state.started_at).total_seconds()) if state.started_at else ""
            phase = Text(state.phase, style=STYLES.get(state.phase, "yellow"))
            table.add_row(Text(state.name), phase, since, Text(state.url), Text(state.log, overflow="fold"))
        return table


def summary(states: list[EngineState]) -> str:
    """Such as `1 of 2 engines healthy; engine-1 starting`."""
    healthy = sum(state.phase is Phase.HEALTHY for state in states)
    others = ", ".join(f"{state.name} {state.phase}" for state in states if state.phase is not Phase.HEALTHY)
    noun = "engine" if len(states) == 1 else "engines"
    return f"{healthy} of {len(states)} {noun} healthy" + (f"; {others}" if others else "")
