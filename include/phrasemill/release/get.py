"""Fetching a release to a folder, and proving that a folder holds one.

Guarantee: a file has its own name in the folder only once its bytes have the sha256 of the manifest, and manifest.json
comes last: a folder with a manifest.json is whole, or was when it was fetched. A download that was broken off goes on
from its .part files. No file is ever replaced but one of a finished download of the same release that has been damaged
since, and nothing is written outside the folder, whatever the manifest says.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from phrasemill.errors import ObjectDamaged
from phrasemill.release.errors import ReleaseError
from phrasemill.release.keys import MANIFEST, ReleaseKeys
from phrasemill.release.manifest import ReleaseManifest, parse_manifest
from phrasemill.release.place import FileEntry
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore, in_parallel

MEBI = 2**20
RANGE = 8 * MEBI
"""Bytes asked for at a time: few enough that one lost connection costs little."""
FILES_AT_ONCE = 8
TRIES = 3
"""Downloads of a file whose sums do not come out right."""
PART = ".part"
SPARE = 16 * MEBI
"""Bytes of the disk that are left free."""

OnFile = Callable[[FileEntry, int], None]
"""Told of a file and how many of its bytes are there; called from several threads."""


def get_release(store: CorpusStore, version: str, folder: Path, *, on_file: OnFile | None = None) -> ReleaseManifest:
    """Fetch a published version into a folder; what is there already and right is left as it is.

    Args:
        store: the corpus's.
        version: such as v1.
        folder: made if it is not there.
        on_file: told how far each file is.

    Raises:
        ReleaseError: the version is not published, its files would not lie in the folder, another file or another
            download is in the way, or the disk is too small.
        ObjectDamaged: a file did not come as the manifest has it, three times over.
        StoreUnavailable: the bucket does not answer now; the same call goes on from what has come.
    """
    keys = ReleaseKeys.of(store.keys.root, version)
    content = store.bucket.get(keys.manifest)
    if content is None:
        raise ReleaseError(
            f"{store.url(keys.manifest)} is not there: release {version} of {store.spec.name} is not published"
        )
    manifest = parse_manifest(content, source=store.url(keys.manifest))
    tell = on_file or (lambda _entry, _done: None)
    with _os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            targets = _targets(folder, manifest)
            finished = _finished(folder, content)
            sound = _sound(targets)
            _refuse_in_the_way(targets, sound, finished=finished)
            for entry in sound:
                tell(entry, entry.bytes)
            todo = {entry: target for entry, target in targets.items() if entry not in sound}
            _refuse_full_disk(folder, todo)
            in_parallel(
                lambda item: _fetch(store.bucket, keys.file(item[0].path), item, tell),
                todo.items(),
                at_once=FILES_AT_ONCE,
            )
            if not finished:
                _write(folder / MANIFEST, content)
    return manifest


def verify_release_folder(folder: Path) -> ReleaseManifest:
    """Check every file of a folder against its manifest.json.

    Raises:
        ReleaseError: there is no manifest, or files are missing or not as it has them; the message has a line for each.
        RecordUnreadable: the manifest is none of this version of phrasemill.
    """
    with _os_errors(folder):
        path = folder / MANIFEST
        if not path.is_file():
            raise ReleaseError(f"{path} is not there: no release has been fetched to this folder to its end")
        manifest = parse_manifest(path.read_bytes(), source=str(path))
        targets = _targets(folder, manifest)
        sound = _sound(targets)
    wrong = [
        f"{target} {'differs from the manifest' if target.exists() else 'is missing'}"
        for entry, target in targets.items()
        if entry not in sound
    ]
    if wrong:
        raise ReleaseError("\n".join([*wrong, f"{len(wrong)} of {len(targets)} files are not right; fetch them again"]))
    return manifest


def place_in(folder: Path, path: str) -> Path:
    """Where a file of a manifest lies in the folder.

    Raises:
        ReleaseError: it would lie outside, directly or through a link, or take a name that is needed otherwise.
    """
    parts = PurePosixPath(path).parts
    plain = parts and path == "/".join(parts) and not path.startswith("/") and path.isprintable()
    hidden = any(part.startswith(".") for part in parts)  # .. leads outside, and shells and git read others
    if not plain or hidden or {"\\", ":"} & set(path) or path == MANIFEST or path.endswith(PART):
        raise ReleaseError(f"the manifest names a file {path!r}, which cannot lie in a folder; do not use this release")
    target = folder.joinpath(*parts)
    root = folder.resolve()
    inside = target.parent.resolve().is_relative_to(root) and not target.is_symlink()
    if not inside or target.with_name(target.name + PART).is_symlink():
        raise ReleaseError(f"{target} leads out of {folder} through a link; remove the link, or use another folder")
    return target


def _targets(folder: Path, manifest: ReleaseManifest) -> dict[FileEntry, Path]:
    targets = {entry: place_in(folder, entry.path) for entry in manifest.files}
    if len(set(targets.values())) < len(manifest.files):
        raise ReleaseError("the manifest names a file twice; do not use this release")
    return targets


def _finished(folder: Path, content: bytes) -> bool:
    """Whether this release has been fetched here before, to its end.

    Raises:
        ReleaseError: another release has.
    """
    path = folder / MANIFEST
    if path.with_name(path.name + PART).is_symlink():
        raise ReleaseError(f"{path}{PART} leads elsewhere; remove the link, or use another folder")
    if not path.exists() and not path.is_symlink():
        return False
    if path.is_symlink() or not path.is_file() or path.read_bytes() != content:
        raise ReleaseError(f"{path} is of another release, or none of ours; use another folder")
    return True


def _sound(targets: dict[FileEntry, Path]) -> set[FileEntry]:
    """Files that are there as the manifest has them."""

    def is_sound(item: tuple[FileEntry, Path]) -> bool:
        entry, target = item
        if not target.is_file() or target.stat().st_size != entry.bytes:
            return False
        with target.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256

    checked = in_parallel(is_sound, targets.items(), at_once=FILES_AT_ONCE)
    return {entry for entry, good in zip(targets, checked, strict=True) if good}


def _refuse_in_the_way(targets: dict[FileEntry, Path], sound: set[FileEntry], *, finished: bool) -> None:
    for entry, target in targets.items():
        # A file has its name only once it is right: before the manifest is there, a wrong one is not ours.
        if target.exists() and entry not in sound and not (finished and target.is_file()):
            raise ReleaseError(f"{target} is in the way, and is not from this release; move it, or use another folder")


def _refuse_full_disk(folder: Path, todo: dict[FileEntry, Path]) -> None:
    parts = ((entry, target.with_name(target.name + PART)) for entry, target in todo.items())
    needed = sum(max(0, entry.bytes - (part.stat().st_size if part.is_file() else 0)) for entry, part in parts)
    free = shutil.disk_usage(folder).free
    if needed and needed + SPARE > free:
        raise ReleaseError(
            f"{folder} has {free / 1e9:.1f} GB free, and {needed / 1e9:.1f} GB are still to come; make room, or use "
            "another folder"
        )


def _fetch(bucket: Bucket, key: str, item: tuple[FileEntry, Path], tell: OnFile) -> None:
    entry, target = item
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + PART)
    for _ in range(TRIES):
        if _download(bucket, key, entry, part, tell) == entry.sha256:
            part.replace(target)
            return
        part.unlink()
    raise ObjectDamaged(
        f"s3://{bucket.name}/{key}: {TRIES} times over it did not come with the sha256 of the manifest "
        f"({entry.sha256[:12]}); check the store's disks, or fetch again"
    )


def _download(bucket: Bucket, key: str, entry: FileEntry, part: Path, tell: OnFile) -> str:
    """Fetch what a .part file lacks; returns the sha256 of all of it."""
    with part.open("ab+") as file:
        if file.tell() > entry.bytes:
            file.truncate(0)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256")
        done = file.tell()
        while done < entry.bytes:
            tell(entry, done)
            content = bucket.get_range(key, done, min(RANGE, entry.bytes - done))
            if not content:
                break
            digest.update(content)
            file.write(content)
            done += len(content)
        file.flush()
        os.fsync(file.fileno())
    tell(entry, done)
    return digest.hexdigest()


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + PART)
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other downloads out of the folder: two that write to one .part file give a wrong file a right sum.

    Raises:
        ReleaseError: one is under way.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ReleaseError(
                f"{folder}: another download to it is under way; wait for its end, or use another folder"
            ) from error
        except OSError:  # some network file systems have no locks
            pass
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _os_errors(folder: Path) -> Iterator[None]:
    """What the disk refuses, in one line."""
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise ReleaseError(f"{where}: {error.strerror or error}; mend that, or use another folder") from error
