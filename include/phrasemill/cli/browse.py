"""The command `phrasemill browse`: a release as hypertext, in a browser on this machine or in the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phrasemill.cli.bucket import open_store
from phrasemill.cli.corpora import Corpus
from phrasemill.extras import BROWSE, BUCKETS, PAGES, require
from phrasemill.terminal import out
from phrasemill.visible import visible

if TYPE_CHECKING:
    from phrasemill.browse.found import Phrase
    from phrasemill.browse.reader import ReleaseReader

NEEDED = (*BUCKETS, *PAGES, *BROWSE)


def browse(
    corpus: Corpus,
    *,
    version: Annotated[str, typer.Option(help="A published version; the newest without it.")] = "",
    folder: Annotated[
        Path | None, typer.Option(help="The folder that `phrasemill get` wrote, instead of the bucket.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; any free one without it.")] = 0,
    phrase: Annotated[int | None, typer.Option(min=0, help="Print this phrase and where it leads.")] = None,
    word: Annotated[str | None, typer.Option(help="Print phrases that have this word, or all of several.")] = None,
) -> None:
    """Read a release as hypertext: phrases that lead to one another by lexemes and scenes. Ctrl-C ends it."""
    require("browse", NEEDED)
    reader = _reader(corpus, version, folder)
    if phrase is not None:
        _print_phrase(reader, phrase)
    if word is not None:
        _print_word(reader, word)
    if phrase is None and word is None:
        _serve(reader, port)


def _reader(corpus: str, version: str, folder: Path | None) -> "ReleaseReader":
    from phrasemill.browse.errors import NoRelease  # noqa: PLC0415
    from phrasemill.browse.files import BucketFiles, FolderFiles  # noqa: PLC0415
    from phrasemill.browse.published import chosen_version, published_versions  # noqa: PLC0415
    from phrasemill.browse.reader import ReleaseReader  # noqa: PLC0415

    if folder is None:
        store = open_store(corpus)
        chosen = chosen_version(store.spec.name, published_versions(store), version)
        return ReleaseReader(BucketFiles(store, chosen))
    files = FolderFiles(folder)
    found = files.manifest
    if found.corpus != Path(corpus).stem or version not in {"", found.version}:
        asked = f"{Path(corpus).stem} {version}".strip()
        raise NoRelease(f"{folder} holds release {found.version} of corpus {found.corpus!r}, not of {asked!r}")
    return ReleaseReader(files)


def _serve(reader: "ReleaseReader", port: int) -> None:
    from phrasemill.browse.server import HOST, browse_app, listen, new_token, serve  # noqa: PLC0415

    listener, token = listen(port), new_token()
    manifest = reader.manifest
    _say(f"{manifest.corpus} {manifest.version}, {manifest.phrases:,} phrases: open")
    _say(f"http://{HOST}:{listener.getsockname()[1]}/{token}")
    serve(browse_app(reader, token=token), listener)


def _print_phrase(reader: "ReleaseReader", phrase_id: int) -> None:
    phrase = reader.phrase(phrase_id)
    links = reader.links_from(phrase_id)
    targets = {one.phrase_id: one for one in reader.phrases([link.to_id for link in links])}
    _tell(phrase)
    for link in links:
        _say(f"-> {link.in_words}", style="bold")
        if link.to_id in targets:
            _tell(targets[link.to_id])


def _print_word(reader: "ReleaseReader", query: str) -> None:
    found = reader.word(query)
    _say(f"{' '.join(found.words)}: {found.rarest} is written in {found.phrases:,} phrases", style="bold")
    for phrase in found.listing.phrases:
        _tell(phrase)


def _tell(phrase: "Phrase") -> None:
    slots = ", ".join(phrase.slots.values())
    _say(phrase.text)
    _say(f"{phrase.phrase_id:>10}  {phrase.template}, scene {phrase.scene}: {slots}", style="dim")


def _say(line: str, *, style: str = "") -> None:
    """A line that may come from a model: spelled out, neither wrapped nor read as markup."""
    out.print(visible(line, most=2000), style=style, markup=False, highlight=False, soft_wrap=True, emoji=False)
