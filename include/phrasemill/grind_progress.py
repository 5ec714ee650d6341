"""The CLI's live view of shards in the mill."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from phrasemill.progress import Progress
from phrasemill.range_words import time_in_words


class MillBars:
    """Bars of what is in the mill, with a rate beside each, shown while it is entered as a context."""

    def __init__(self, console: Console) -> None:
        self._bars = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            console=console,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()


class GrindProgress(MillBars):
    """One bar for all phrases of a run, with the shard in the mill and its rate beside it."""

    def __init__(self, console: Console, todo: Sequence[dict[str, Any]]) -> None:
        super().__init__(console)
        self._rows = {item["label"]: item["phrases"] for item in todo}
        self._bar = self._bars.add_task("starting", total=sum(self._rows.values()), rate="")
        self._finished = 0

    def update(self, progress: Progress) -> None:
        """Show one look at the mill."""
        eta = "" if progress.eta is None else f", ETA {time_in_words(progress.eta)}"
        self._bars.update(
            self._bar,
            description=progress.shard,
            completed=self._finished + progress.accepted,
            rate=f"{progress.phrases_per_s:.1f} phrases/s, {progress.reject_share:.0%} rejected{eta}",
        )

    def finish(self, label: str, data: str) -> None:
        """A shard is committed."""
        self._finished += self._rows[label]
        self._bars.update(self._bar, completed=self._finished)
        self._bars.console.print(f"{label} committed: {data}", highlight=False, markup=False)

    def fail(self, label: str) -> None:
        """A shard is given up; the reason is told at the end."""
        self._bars.console.print(f"{label} failed", style="red")
