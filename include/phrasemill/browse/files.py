"""Where the files of a release lie, and how DuckDB reads them there: a folder, or the bucket itself."""

import datetime as dt
from pathlib import Path
from typing import Any, Protocol

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from phrasemill.browse.blocks import Blocks
from phrasemill.browse.errors import NoRelease, ReleaseUnreadable
from phrasemill.errors import StoreError
from phrasemill.release.contents import LEXEMES, LINKS, PHRASES, WORDS
from phrasemill.release.get import place_in
from phrasemill.release.keys import MANIFEST, ReleaseKeys
from phrasemill.release.manifest import ReleaseManifest, parse_manifest
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore

PROTOCOL = "phrasemill-release"
UNCHANGED_SINCE = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
"""What DuckDB is told of each file, so that it keeps footers: a published release never changes."""


class ReleaseFiles(Protocol):
    """The files of one published release."""

    manifest: ReleaseManifest

    @property
    def place(self) -> str:
        """Where they are, for messages."""

    def address(self, path: str) -> str:
        """What DuckDB calls a file."""

    def attach(self, connection: Any) -> list[str]:  # noqa: ANN401
        """Make them known to a DuckDB connection; returns all addresses that it may read."""

    def why(self) -> StoreError | None:
        """What the bucket said when it was asked last and failed; asked once."""


class FolderFiles:
    """A release in a folder, as `phrasemill get` leaves it.

    Raises:
        NoRelease: the folder has no manifest.
        ReleaseError: the manifest names files outside the folder.
        RecordUnreadable, ReleaseUnreadable: it is none of a release that can be read as hypertext.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        manifest = self._folder / MANIFEST
        try:
            content = manifest.read_bytes()
        except OSError as error:
            raise NoRelease(
                f"{manifest} cannot be read ({error.strerror}); give the folder that phrasemill get wrote"
            ) from error
        self.manifest = parse_manifest(content, source=str(manifest))
        self._paths = {path: place_in(self._folder, path) for path in _read_here(self.manifest, source=str(manifest))}

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._folder)

    def address(self, path: str) -> str:
        """The path of a file."""
        # DuckDB takes these for a pattern: in brackets each stands for itself.
        return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in str(self._paths[path]))

    def attach(self, connection: Any) -> list[str]:  # noqa: ANN401, ARG002
        """Nothing to make known: DuckDB reads folders."""
        return [address for path, target in self._paths.items() for address in {self.address(path), str(target)}]

    def why(self) -> StoreError | None:
        """Nothing: there is no bucket."""
        return None


class BucketFiles:
    """A release in its bucket, read in ranges.

    Raises:
        NoRelease: this version is not published.
        RecordUnreadable, ReleaseUnreadable: it is none that can be read as hypertext.
        StoreError: the bucket cannot be read.
    """

    def __init__(self, store: CorpusStore, version: str) -> None:
        keys = ReleaseKeys.of(store.keys.root, version)
        content = store.bucket.get(keys.manifest)
        if content is None:
            raise NoRelease(f"corpus {store.spec.name!r} has no published release {version}")
        self.place = store.url(keys.root)
        self.manifest = parse_manifest(content, source=store.url(keys.manifest))
        self._sizes = _read_here(self.manifest, source=store.url(keys.manifest))
        self._system = _BucketSystem(store.bucket, keys, self._sizes)

    def address(self, path: str) -> str:
        """The path of a file within our own file system."""
        return f"{PROTOCOL}://{path}"

    def attach(self, connection: Any) -> list[str]:  # noqa: ANN401
        """Register the file system."""
        connection.register_filesystem(self._system)
        return [self.address(path) for path in self._sizes]

    def why(self) -> StoreError | None:
        """What the bucket said last, if it failed."""
        failure, self._system.failure = self._system.failure, None
        return failure


def _read_here(manifest: ReleaseManifest, *, source: str) -> dict[str, int]:
    """By path, bytes of the files that are read here.

    Raises:
        ReleaseUnreadable: there are none of a kind.
    """
    by_kind = {kind.name: kind.files(manifest.files) for kind in (PHRASES, LINKS, LEXEMES, WORDS)}
    if missing := [name for name, entries in by_kind.items() if not entries]:
        raise ReleaseUnreadable(f"{source}: lists no files of {', '.join(missing)}, so there is no hypertext to read")
    return {entry.path: entry.bytes for entries in by_kind.values() for entry in entries}


class _BucketSystem(AbstractFileSystem):  # type: ignore[misc]
    """The files of one release for fsspec: read-only, of known sizes, through `Blocks`."""

    protocol = PROTOCOL
    cachable = False  # one for each release

    def __init__(self, bucket: Bucket, keys: ReleaseKeys, sizes: dict[str, int]) -> None:
        super().__init__()
        self._bucket, self._keys, self._sizes = bucket, keys, sizes
        self._blocks = Blocks(self._fetch)
        self.failure: StoreError | None = None

    def info(self, path: str, **_: object) -> dict[str, Any]:
        name = self._name(path)
        if name not in self._sizes:
            raise FileNotFoundError(path)
        return {"name": path, "size": self._sizes[name], "type": "file"}

    def exists(self, path: str, **_: object) -> bool:
        return self._name(path) in self._sizes

    def modified(self, path: str) -> dt.datetime:  # noqa: ARG002
        return UNCHANGED_SINCE

    def read_range(self, path: str, first: int, last: int) -> bytes:
        """Bytes [first, last); what goes wrong is kept, since DuckDB tells it as text only."""
        try:
            content = self._blocks.read(self._name(path), first, last)
        except StoreError as error:
            self.failure = error
            raise
        return content

    def _open(self, path: str, mode: str = "rb", **_: object) -> "_BucketFile":
        if mode != "rb":
            raise PermissionError(f"{path}: a release is read only")
        return _BucketFile(self, path, mode, size=self._sizes[self._name(path)], cache_type="none")

    def _fetch(self, path: str, first: int, length: int) -> bytes:
        key = self._keys.file(path)
        content = self._bucket.get_range(key, first, length)
        if len(content) != min(length, self._sizes[path] - first):
            raise ReleaseUnreadable(f"s3://{self._bucket.name}/{key}: is shorter than its manifest says; restore it")
        return content

    @staticmethod
    def _name(path: str) -> str:
        return path.removeprefix(f"{PROTOCOL}://")


class _BucketFile(AbstractBufferedFile):  # type: ignore[misc]
    """One open file of a `_BucketSystem`."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        content: bytes = self.fs.read_range(self.path, start, end)
        return content
