"""The command `phrasemill release`: the finished data set of a corpus, without Airflow."""

import re
import time
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Self

import typer
from rich.console import Console

from phrasemill.cli.bucket import open_store
from phrasemill.cli.corpora import Corpus
from phrasemill.errors import PhrasemillError
from phrasemill.extras import BUCKETS, CORPUS_FIGURES, GATE, PAGES, require
from phrasemill.terminal import err, out
from phrasemill.visible import visible

if TYPE_CHECKING:
    from phrasemill.release.manifest import ReleaseManifest
    from phrasemill.store.corpus_store import CorpusStore

MEMORY = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[MGT])(?P<binary>i?)B", re.IGNORECASE)
POWERS = {"m": 2, "g": 3, "t": 4}


class MemoryUnreadable(PhrasemillError):
    """An amount of memory is no number with a unit."""


def release(
    corpus: Corpus,
    version: Annotated[
        str | None, typer.Option(help="Such as v1; without it the next number, or the one that was begun.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Release what is committed, though it is less than the target.")
    ] = False,
    memory: Annotated[str, typer.Option(help="What the work may take, such as 4GB.")] = "4GiB",
) -> None:
    """Make the finished data set: unique phrases, repacked, linked, judged, described and published.

    Stopped or killed, it goes on where it was when it is run again, and the same bytes come out.
    """
    require("release", tuple(dict.fromkeys((*BUCKETS, *GATE, *PAGES, *CORPUS_FIGURES))))
    amount = memory_of(memory)
    store = open_store(corpus)
    from phrasemill.release.planning import next_version  # noqa: PLC0415
    from phrasemill.release.run import run_release  # noqa: PLC0415

    with StepLines(err) as lines:
        manifest = run_release(
            store, version or next_version(store, partial=partial), partial=partial, memory=amount, on_step=lines.tell
        )
    for line in told(store, manifest, corpus=corpus):
        out.print(visible(line, most=10_000), markup=False, highlight=False, soft_wrap=True, emoji=False)


def told(store: "CorpusStore", manifest: "ReleaseManifest", *, corpus: str) -> list[str]:
    """What is said of a version that has just been published; `corpus` is named as it was named in the command."""
    from phrasemill.release.keys import ReleaseKeys  # noqa: PLC0415
    from phrasemill.report.words import size  # noqa: PLC0415

    root = ReleaseKeys.of(store.keys.root, manifest.version).root
    return [
        f"release {manifest.version} of {manifest.corpus}: {manifest.phrases:,} phrases, {size(manifest.text_bytes)} "
        f"of text, {size(sum(file.bytes for file in manifest.files))} in {len(manifest.files):,} files",
        f"of {manifest.committed:,} committed phrases {manifest.dropped_exact:,} were dropped as exact duplicates and "
        f"{manifest.dropped_near:,} as near ones",
        f"it lies in {store.url(root)}",
        f"to fetch and verify it: phrasemill get {corpus} {manifest.version} DIR",
    ]


def memory_of(text: str) -> int:
    """Bytes from words such as 4GB (powers of 1000) or 4GiB (of 1024).

    Raises:
        MemoryUnreadable: it is no such amount.
    """
    found = MEMORY.fullmatch(text.strip())
    if not found:
        raise MemoryUnreadable(f"--memory {text!r} is no amount of memory; write such as 4GB or 4GiB")
    return int(float(found["number"]) * (1024 if found["binary"] else 1000) ** POWERS[found["unit"].lower()])


class StepLines:
    """One line for each step that is done, and on a terminal how far the one under way is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("planning")
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()

    def tell(self, name: str, done: int, of: int) -> None:
        """Show that so many pieces of a step are done."""
        if done == 0:
            self._began = time.monotonic()
        self._status.update(f"{name}: {done:,} of {of:,}")
        if done == of:
            pieces = "1 piece" if of == 1 else f"{of:,} pieces"
            seconds = f"{time.monotonic() - self._began:,.1f} s"
            self._console.print(f"{name:<8}{pieces:>14}{seconds:>12}", highlight=False)
