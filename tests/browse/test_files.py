"""Where a release lies: nothing outside it is read, and what is wrong with it is told in a line."""

import shutil

import pytest

from phrasemill.browse.errors import NoRelease, ReleaseUnreadable
from phrasemill.browse.files import BucketFiles, FolderFiles
from phrasemill.browse.published import chosen_version, published_versions
from phrasemill.browse.reader import ReleaseReader
from phrasemill.browse.tables import Tables
from phrasemill.errors import RecordUnreadable, StoreUnavailable
from phrasemill.release.errors import ReleaseError
from phrasemill.release.place import FileEntry
from tests.browse.conftest import bucket_store, release_folder
from tests.browse.releases import FolderBucket


@pytest.fixture
def folder(released, tmp_path):
    """A copy of the release, to be spoilt."""
    return shutil.copytree(release_folder(released["id"]), tmp_path / "corpora/tiny/releases/v1")


@pytest.fixture
def bucket(folder, tmp_path):
    return FolderBucket(tmp_path)


def with_files(folder, *entries):
    """The manifest with other entries."""
    manifest = FolderFiles(folder).manifest
    (folder / "manifest.json").write_bytes(manifest.model_copy(update={"files": entries}).as_json())


class TestAFolder:
    def test_may_have_any_name(self, folder, tmp_path):
        for name in ("it's [odd]*?", "две папки", "a'b\"c"):
            reader = ReleaseReader(FolderFiles(shutil.copytree(folder, tmp_path / name)), threads=1)
            assert reader.phrase(3).phrase_id == 3
            assert reader.counts["phrases"] == reader.manifest.phrases

    def test_without_a_manifest_is_no_release(self, tmp_path):
        with pytest.raises(NoRelease, match="give the folder that phrasemill get wrote"):
            FolderFiles(tmp_path)

    def test_with_another_manifest_is_told(self, folder):
        (folder / "manifest.json").write_text("{}")
        with pytest.raises(RecordUnreadable, match="is no release manifest"):
            FolderFiles(folder)

    def test_without_hypertext_is_told(self, folder):
        kept = [entry for entry in FolderFiles(folder).manifest.files if "index" not in entry.path]
        with_files(folder, *kept)
        with pytest.raises(ReleaseUnreadable, match="lists no files of lexemes, words"):
            FolderFiles(folder)

    @pytest.mark.parametrize("path", ["data/train-/../../../../../outside.parquet", "data/train-\x1b.parquet"])
    def test_is_not_left_whatever_its_manifest_says(self, folder, path):
        with_files(folder, *FolderFiles(folder).manifest.files, FileEntry(path=path, bytes=1, sha256="0" * 64))
        with pytest.raises(ReleaseError, match="cannot lie in a folder"):
            FolderFiles(folder)

    def test_of_which_a_file_is_gone_is_told(self, folder):
        (folder / "index/words.parquet").unlink()
        with pytest.raises(ReleaseUnreadable, match=r"cannot be read as a release .*words\.parquet"):
            ReleaseReader(FolderFiles(folder), threads=1).word("diver")

    def test_of_which_a_file_is_damaged_is_told(self, folder):
        for path in folder.glob("data/*"):
            path.write_bytes(path.read_bytes()[:-50] + b"?" * 50)
        with pytest.raises(ReleaseUnreadable) as told:
            ReleaseReader(FolderFiles(folder), threads=1).phrase(3)
        assert "\n" not in str(told.value)


class TestABucket:
    def test_that_has_no_such_release_says_so(self, bucket):
        with pytest.raises(NoRelease, match="has no published release v2"):
            BucketFiles(bucket_store(bucket), "v2")

    def test_that_goes_down_meanwhile_can_be_asked_again(self, bucket):
        reader = ReleaseReader(BucketFiles(bucket_store(bucket), "v1"), threads=1)
        phrase = reader.phrase(3)
        bucket.down = True
        with pytest.raises(StoreUnavailable, match="does not answer; retry later"):
            reader.word("diver")
        bucket.down = False
        assert reader.word("diver").phrases
        assert reader.phrase(3) == phrase

    def test_of_which_a_file_is_shorter_than_it_was_is_told(self, bucket, folder):
        path = folder / "index/words.parquet"
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(ReleaseUnreadable, match=r"words\.parquet: is shorter than its manifest says"):
            ReleaseReader(BucketFiles(bucket_store(bucket), "v1"), threads=1).word("diver")


class TestDuckDB:
    @pytest.fixture(params=["folder", "bucket"])
    def tables(self, request, folder, bucket):
        files = FolderFiles(folder) if request.param == "folder" else BucketFiles(bucket_store(bucket), "v1")
        return Tables(files, threads=1)

    @pytest.mark.parametrize(
        "statement",
        [
            "select * from read_text('/etc/hostname')",
            "select * from read_text('{folder}/manifest.json')",
            "select * from '{folder}/other.parquet'",
            "select * from glob('{folder}/*')",
            "copy (select 1) to '{folder}/written.csv'",
            "copy (select 1) to '{folder}/links.parquet'",
            "attach '{folder}/written.db'",
            "install httpfs",
            "load httpfs",
            "set enable_external_access = true",
            "set memory_limit = '100GB'",
        ],
    )
    def test_reads_the_release_and_nothing_else(self, tables, folder, statement):
        shutil.copy(folder / "index/words.parquet", folder / "other.parquet")
        before = sorted(folder.rglob("*"))
        with pytest.raises(ReleaseUnreadable):
            tables.rows(statement.format(folder=folder), [])
        assert sorted(folder.rglob("*")) == before


class TestPublishedVersions:
    @pytest.fixture
    def store(self, bucket, folder):
        for version, day in (("v2", 20), ("final", 10), ("v10", 5)):
            copy = shutil.copytree(folder, folder.parent / version)
            manifest = FolderFiles(copy).manifest
            changes = {"version": version, "created_at": manifest.created_at.replace(day=day)}
            (copy / "manifest.json").write_bytes(manifest.model_copy(update=changes).as_json())
        begun = folder.parent / "v11"
        begun.mkdir()
        (begun / "plan.json").write_text("{}")
        return bucket_store(bucket)

    def test_are_those_with_a_manifest_the_newest_first(self, store):
        assert published_versions(store) == ["v2", "final", "v10", "v1"]

    def test_the_newest_is_taken_where_none_is_named(self, store):
        versions = published_versions(store)
        assert [chosen_version("tiny", versions, wanted) for wanted in ("", "latest", "v10")] == ["v2", "v2", "v10"]

    def test_one_that_is_not_published_is_told_with_those_that_are(self, store):
        with pytest.raises(NoRelease, match=r"no published release 'v11'; there are v2, final, v10, v1"):
            chosen_version("tiny", published_versions(store), "v11")

    def test_none_at_all_is_told(self):
        with pytest.raises(NoRelease, match="phrasemill release tiny makes one"):
            chosen_version("tiny", [], "")
