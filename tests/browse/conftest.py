"""One release in each order, read from a folder and through a bucket that counts."""

from pathlib import Path

import pytest

from phrasemill.browse.files import BucketFiles, FolderFiles
from phrasemill.browse.reader import ReleaseReader
from phrasemill.store.corpus_store import CorpusStore
from tests.browse.releases import FolderBucket, browse_spec, phrases_of, write_release

PHRASES = 800


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By order, the folder of a bucket that has release v1 of the tiny corpus in that order."""
    rows = phrases_of(browse_spec(), PHRASES)
    folders = {}
    for order in ("id", "shuffled"):
        folders[order] = tmp_path_factory.mktemp(order)
        write_release(release_folder(folders[order]), rows, shuffled=order == "shuffled")
    return folders


def release_folder(bucket: Path, version: str = "v1") -> Path:
    """Where a version lies in the folder of a bucket."""
    return bucket / f"corpora/tiny/releases/{version}"


def bucket_store(bucket: FolderBucket) -> CorpusStore:
    """The tiny corpus's store over it."""
    return CorpusStore(bucket, browse_spec())  # type: ignore[arg-type]


@pytest.fixture(params=["id", "shuffled"])
def order(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def readers(released: dict[str, Path]) -> dict[tuple[str, str], ReleaseReader]:
    """By order and place, a reader of it."""
    found = {}
    for order, folder in released.items():
        found[order, "folder"] = ReleaseReader(FolderFiles(release_folder(folder)), threads=2)
        found[order, "bucket"] = ReleaseReader(BucketFiles(bucket_store(FolderBucket(folder)), "v1"), threads=2)
    return found


@pytest.fixture(params=["folder", "bucket"])
def reader(request: pytest.FixtureRequest, order: str, readers: dict[tuple[str, str], ReleaseReader]) -> ReleaseReader:
    """A reader of the release, in each order and place."""
    return readers[order, request.param]
