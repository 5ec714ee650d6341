"""The command `phrasemill get`: fetch a release, check it, and say how it is loaded."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from phrasemill.cli.bucket import open_store
from phrasemill.cli.corpora import Corpus
from phrasemill.extras import BUCKETS, require
from phrasemill.terminal import err, out
from phrasemill.visible import visible

if TYPE_CHECKING:
    from phrasemill.release.manifest import ReleaseManifest
    from phrasemill.release.place import FileEntry
    from phrasemill.store.corpus_store import CorpusStore


def get(
    corpus: Corpus,
    version: Annotated[str, typer.Argument(help="Such as v1; `latest` for the newest.")],
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Where to put it; made if it is not there.")],
    check: Annotated[
        bool, typer.Option("--check", help="Only check what lies in the folder against its manifest.")
    ] = False,
) -> None:
    """Fetch a release to a folder, checking every file. Broken off, the same command goes on from what has come."""
    require("get", BUCKETS)
    from phrasemill.release.errors import ReleaseError  # noqa: PLC0415
    from phrasemill.release.get import verify_release_folder  # noqa: PLC0415
    from phrasemill.release.keys import LATEST  # noqa: PLC0415
    from phrasemill.release.manifest import latest_version  # noqa: PLC0415

    if check:
        manifest = verify_release_folder(folder)
        if version not in {manifest.version, LATEST}:
            raise ReleaseError(f"{folder} holds {manifest.corpus} {manifest.version}, not {version}; name that version")
    else:
        store = open_store(corpus)
        manifest = _fetch(store, latest_version(store) if version == LATEST else version, folder)
    size = sum(entry.bytes for entry in manifest.files)
    _say(
        f"{manifest.corpus} {manifest.version}: {manifest.phrases:,} phrases in {folder}, {len(manifest.files)} files, "
        f"{size:,} bytes, every sha256 right"
    )
    _tell_how_to_load(folder)


def _fetch(store: "CorpusStore", version: str, folder: Path) -> "ReleaseManifest":
    from phrasemill.release.get import get_release  # noqa: PLC0415
    from phrasemill.release.manifest import read_manifest  # noqa: PLC0415

    manifest = read_manifest(store, version)
    total = sum(entry.bytes for entry in manifest.files) if manifest else None
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    done: dict[str, int] = {}
    with Progress(*columns, TimeRemainingColumn(), console=err) as bars:
        bar = bars.add_task(f"{store.spec.name} {version}", total=total)

        def tell(entry: "FileEntry", there: int) -> None:
            done[entry.path] = there
            bars.update(bar, completed=sum(list(done.values())))

        return get_release(store, version, folder, on_file=tell)


def _tell_how_to_load(folder: Path) -> None:
    from phrasemill.release.loading import LOADERS, PLACEHOLDER, code  # noqa: PLC0415

    if code(LOADERS[0], folder.as_posix()) == code(LOADERS[0], PLACEHOLDER):
        _say("\nDIR stands for the folder:")
    for loader in LOADERS:
        _say(f"\n# {loader.name}", style="dim")
        for line in code(loader, folder.as_posix()).splitlines():
            _say(line)


def _say(line: str, *, style: str = "") -> None:
    """A line of ours, neither wrapped nor read as markup."""
    shown = "\n".join(visible(part, most=10_000) for part in line.split("\n"))
    out.print(shown, style=style, markup=False, highlight=False, soft_wrap=True, emoji=False)
