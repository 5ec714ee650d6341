"""Fetching a release: only right bytes get their names, nothing else in the folder is touched, nothing lies outside."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from phrasemill.cli import get as get_command
from phrasemill.errors import ObjectDamaged, StoreUnavailable
from phrasemill.release import get as getting
from phrasemill.release.errors import ReleaseError
from phrasemill.release.get import get_release, verify_release_folder
from phrasemill.release.manifest import ReleaseManifest
from phrasemill.release.place import ReleasePlace
from phrasemill.release.publish import publish
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from tests.release.committing import MemoryBucket, objects_of
from tests.release.releasing import made_release, release_spec
from tests.servers import S3Server

DATA = "data/train-00000-of-00002.parquet"


@pytest.fixture
def place() -> ReleasePlace:
    made = made_release()
    publish(made)
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def wanted(place: ReleasePlace) -> dict[str, bytes]:
    root = place.keys.root
    found = {key.removeprefix(root): held for key, held in objects_of(place.store).items() if key.startswith(root)}
    del found["plan.json"]
    return found


def through(place: ReleasePlace, bucket: MemoryBucket) -> CorpusStore:
    bucket.objects = objects_of(place.store)
    return CorpusStore(bucket, place.store.spec)  # type: ignore[arg-type]


class Asked(MemoryBucket):
    """Notes the ranges that are asked for, and spoils what a test names."""

    def __init__(self, spoil: Callable[[str, bytes], bytes] = lambda _key, content: content) -> None:
        super().__init__()
        self.asked: list[tuple[str, int]] = []
        self._spoil = spoil

    def get_range(self, key: str, first: int, length: int) -> bytes:
        self.asked.append((key, first))
        return self._spoil(key, super().get_range(key, first, length))


class TestGet:
    def test_all_files_come_as_they_are_with_the_manifest(self, place: ReleasePlace, tmp_path: Path) -> None:
        manifest = get_release(place.store, "v1", tmp_path / "new" / "folder")
        assert contents(tmp_path / "new" / "folder") == wanted(place)
        assert verify_release_folder(tmp_path / "new" / "folder") == manifest

    def test_large_files_come_in_ranges(
        self, place: ReleasePlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(getting, "RANGE", 1000)
        bucket = Asked()
        get_release(through(place, bucket), "v1", tmp_path)
        size = len(objects_of(place.store)[place.keys.file(DATA)])
        assert [first for key, first in bucket.asked if key.endswith(DATA)] == list(range(0, size, 1000))
        assert contents(tmp_path) == wanted(place)

    def test_what_is_there_is_not_fetched_again(self, place: ReleasePlace, tmp_path: Path) -> None:
        get_release(place.store, "v1", tmp_path)
        (tmp_path / DATA).unlink()
        bucket = Asked()
        get_release(through(place, bucket), "v1", tmp_path)
        assert {key for key, _ in bucket.asked} == {place.keys.file(DATA)}
        assert contents(tmp_path) == wanted(place)

    def test_it_tells_how_far_it_is(self, place: ReleasePlace, tmp_path: Path) -> None:
        told: dict[str, list[int]] = {}
        manifest = get_release(
            place.store, "v1", tmp_path, on_file=lambda entry, done: told.setdefault(entry.path, []).append(done)
        )
        assert {path: counts[-1] for path, counts in told.items()} == {one.path: one.bytes for one in manifest.files}
        assert all(counts == sorted(counts) for counts in told.values())

    def test_from_a_real_bucket(self, s3_server: S3Server, tmp_path: Path) -> None:
        client = s3_server.client(s3_server.endpoint)
        store = CorpusStore(Bucket(client, s3_server.new_bucket(s3_server.endpoint)), release_spec())
        place = made_release(store)
        manifest = publish(place)
        get_release(store, "v1", tmp_path)
        assert verify_release_folder(tmp_path) == manifest
        assert not list(store.bucket.entries(place.keys.all_work))


class TestBrokenOff:
    def test_it_goes_on_from_what_has_come(
        self, place: ReleasePlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(getting, "RANGE", 1000)

        def break_off(key: str, content: bytes) -> bytes:
            if key.endswith(DATA) and bucket.asked.count((key, 2000)):
                raise StoreUnavailable("the line is dead")
            return content

        bucket = Asked(break_off)
        with pytest.raises(StoreUnavailable):
            get_release(through(place, bucket), "v1", tmp_path)
        assert (tmp_path / f"{DATA}.part").stat().st_size == 2000
        assert not (tmp_path / DATA).exists()
        assert not (tmp_path / "manifest.json").exists()
        again = Asked()
        get_release(through(place, again), "v1", tmp_path)
        assert min(first for key, first in again.asked if key.endswith(DATA)) == 2000
        assert contents(tmp_path) == wanted(place)

    @pytest.mark.parametrize("left", [b"of another file", b"x" * 100_000])
    def test_a_part_that_is_not_of_this_file_is_begun_anew(
        self, place: ReleasePlace, tmp_path: Path, left: bytes
    ) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / f"{DATA}.part").write_bytes(left)
        get_release(place.store, "v1", tmp_path)
        assert contents(tmp_path) == wanted(place)

    def test_bytes_spoilt_on_the_way_are_fetched_again(self, place: ReleasePlace, tmp_path: Path) -> None:
        def spoil_once(key: str, content: bytes) -> bytes:
            return b"?" + content[1:] if key.endswith(DATA) and bucket.asked.count((key, 0)) == 1 else content

        bucket = Asked(spoil_once)
        get_release(through(place, bucket), "v1", tmp_path)
        assert contents(tmp_path) == wanted(place)

    @pytest.mark.parametrize("damage", [lambda content: b"?" + content[1:], lambda content: content[:-1]])
    def test_a_file_that_stays_damaged_is_named_and_gets_no_name(
        self, place: ReleasePlace, tmp_path: Path, damage: Callable[[bytes], bytes]
    ) -> None:
        objects_of(place.store)[place.keys.file(DATA)] = damage(objects_of(place.store)[place.keys.file(DATA)])
        with pytest.raises(ObjectDamaged, match=f"{DATA}: 3 times over") as raised:
            get_release(place.store, "v1", tmp_path)
        assert "\n" not in str(raised.value)
        assert not (tmp_path / DATA).exists()
        assert not (tmp_path / f"{DATA}.part").exists()
        assert not (tmp_path / "manifest.json").exists()


class TestFolder:
    def test_other_files_in_it_are_left_alone(self, place: ReleasePlace, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        for name in ("notes.txt", "data/mine.parquet"):
            (tmp_path / name).write_bytes(b"mine")
        get_release(place.store, "v1", tmp_path)
        assert contents(tmp_path) == wanted(place) | {"notes.txt": b"mine", "data/mine.parquet": b"mine"}

    @pytest.mark.parametrize("name", ["README.md", DATA])
    def test_a_file_of_the_same_name_is_never_replaced(self, place: ReleasePlace, tmp_path: Path, name: str) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"mine")
        with pytest.raises(ReleaseError, match=f"{name} is in the way"):
            get_release(place.store, "v1", tmp_path)
        assert contents(tmp_path) == {name: b"mine"}

    def test_a_damaged_file_of_a_finished_download_is_replaced(self, place: ReleasePlace, tmp_path: Path) -> None:
        get_release(place.store, "v1", tmp_path)
        (tmp_path / DATA).write_bytes(b"rotten")
        get_release(place.store, "v1", tmp_path)
        assert contents(tmp_path) == wanted(place)

    @pytest.mark.parametrize("held", [b"{}", b""])
    def test_a_folder_with_another_release_is_refused(self, place: ReleasePlace, tmp_path: Path, held: bytes) -> None:
        (tmp_path / "manifest.json").write_bytes(held)
        with pytest.raises(ReleaseError, match="of another release"):
            get_release(place.store, "v1", tmp_path)
        assert contents(tmp_path) == {"manifest.json": held}

    @pytest.mark.parametrize("name", [DATA, f"{DATA}.part", "manifest.json"])
    def test_folders_in_the_way_are_told_in_one_line(self, place: ReleasePlace, tmp_path: Path, name: str) -> None:
        (tmp_path / name).mkdir(parents=True)
        with pytest.raises(ReleaseError) as raised:
            get_release(place.store, "v1", tmp_path)
        assert Path(name).name in str(raised.value)
        assert "\n" not in str(raised.value)

    def test_a_full_disk_is_found_before_anything_is_fetched(
        self, place: ReleasePlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usage = shutil.disk_usage(tmp_path)._replace(free=1000)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        bucket = Asked()
        with pytest.raises(ReleaseError, match="make room"):
            get_release(through(place, bucket), "v1", tmp_path)
        assert not bucket.asked
        assert contents(tmp_path) == {}

    def test_a_disk_that_fills_up_meanwhile_is_told_and_gone_on_from(
        self, place: ReleasePlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(ReleaseError, match="No space left on device") as raised:
                get_release(place.store, "v1", tmp_path)
        assert "\n" not in str(raised.value)
        assert all(name.endswith(".part") for name in contents(tmp_path))
        get_release(place.store, "v1", tmp_path)
        assert contents(tmp_path) == wanted(place)

    def test_of_two_downloads_to_one_folder_the_second_is_refused(self, place: ReleasePlace, tmp_path: Path) -> None:
        """Both would add to one .part file, and each would find the sum right of what it has added itself."""
        refused: list[ReleaseError] = []

        def meanwhile(_key: str, content: bytes) -> bytes:
            if not refused:
                with pytest.raises(ReleaseError, match="another download to it is under way") as raised:
                    get_release(place.store, "v1", tmp_path)
                refused.append(raised.value)
            return content

        get_release(through(place, Asked(meanwhile)), "v1", tmp_path)
        assert refused
        assert contents(tmp_path) == wanted(place)

    def test_a_file_for_a_folder_is_told_in_one_line(self, place: ReleasePlace, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(ReleaseError, match="use another folder"):
            get_release(place.store, "v1", tmp_path / "file")


def with_paths(place: ReleasePlace, *paths: str) -> None:
    """The published manifest, its first files renamed."""
    manifest = ReleaseManifest.model_validate_json(objects_of(place.store)[place.keys.manifest])
    files = list(manifest.files)
    for number, path in enumerate(paths):
        files[number] = files[number].model_copy(update={"path": path})
    objects_of(place.store)[place.keys.manifest] = manifest.model_copy(update={"files": tuple(files)}).as_json()


class TestHostileManifest:
    @pytest.mark.parametrize(
        "path",
        [
            "/etc/x",
            "../x",
            "data/../../x",
            "data//x",
            "./x",
            "",
            ".",
            "..",
            "a\\b",
            "c:x",
            "x\n",
            "manifest.json",
            "x.part",
            ".bashrc",
            ".git/hooks/post-checkout",
        ],
    )
    def test_paths_that_lead_elsewhere_are_refused(self, place: ReleasePlace, tmp_path: Path, path: str) -> None:
        with_paths(place, path)
        with pytest.raises(ReleaseError, match="cannot lie in a folder"):
            get_release(place.store, "v1", tmp_path / "to")
        assert contents(tmp_path) == {}

    def test_a_file_named_twice_is_refused(self, place: ReleasePlace, tmp_path: Path) -> None:
        with_paths(place, "x", "x")
        with pytest.raises(ReleaseError, match="twice"):
            get_release(place.store, "v1", tmp_path)

    @pytest.mark.parametrize("link", ["data", DATA, f"{DATA}.part", "manifest.json.part"])
    def test_links_out_of_the_folder_are_not_followed(self, place: ReleasePlace, tmp_path: Path, link: str) -> None:
        outside, folder = tmp_path / "outside", tmp_path / "to"
        outside.mkdir()
        (folder / link).parent.mkdir(parents=True)
        (folder / link).symlink_to(outside if link == "data" else outside / "file")
        with pytest.raises(ReleaseError, match=r"leads (out of|elsewhere)"):
            get_release(place.store, "v1", folder)
        assert not list(outside.iterdir())

    def test_the_folder_itself_may_be_a_link(self, place: ReleasePlace, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        get_release(place.store, "v1", tmp_path / "link")
        assert contents(tmp_path / "real") == wanted(place)


def test_a_version_that_is_not_published_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="release v9 of tiny is not published"):
        get_release(made_release().store, "v9", tmp_path / "to")
    assert not (tmp_path / "to").exists()


class TestVerify:
    def test_every_wrong_file_has_a_line(self, place: ReleasePlace, tmp_path: Path) -> None:
        get_release(place.store, "v1", tmp_path)
        (tmp_path / "README.md").write_bytes(b"other")
        (tmp_path / "samples.jsonl").unlink()
        with pytest.raises(ReleaseError) as raised:
            verify_release_folder(tmp_path)
        assert f"{tmp_path / 'README.md'} differs from the manifest" in str(raised.value)
        assert f"{tmp_path / 'samples.jsonl'} is missing" in str(raised.value)
        assert "\n2 of 16 files" in str(raised.value)

    def test_one_bit_is_enough(self, place: ReleasePlace, tmp_path: Path) -> None:
        get_release(place.store, "v1", tmp_path)
        content = bytearray((tmp_path / DATA).read_bytes())
        content[1000] ^= 1
        (tmp_path / DATA).write_bytes(content)
        with pytest.raises(ReleaseError, match=DATA):
            verify_release_folder(tmp_path)

    def test_an_unfinished_download_is_no_release(self, tmp_path: Path) -> None:
        with pytest.raises(ReleaseError, match="no release has been fetched to this folder to its end"):
            verify_release_folder(tmp_path)


class TestCommand:
    @pytest.fixture
    def run(self, place: ReleasePlace, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
        import typer

        monkeypatch.setattr(get_command, "open_store", lambda _corpus: place.store)
        app = typer.Typer()
        app.command()(get_command.get)

        def invoke(*words: str) -> str:
            answer = CliRunner().invoke(app, list(words), catch_exceptions=False)
            assert answer.exit_code == 0
            return answer.stdout

        return invoke

    def test_it_fetches_and_says_how_to_load(
        self, run: Callable[..., str], place: ReleasePlace, tmp_path: Path
    ) -> None:
        told = run("tiny", "latest", str(tmp_path / "to"))
        assert "tiny v1: 180 phrases in" in told
        assert contents(tmp_path / "to") == wanted(place)
        for line in (
            f'datasets.load_dataset("parquet", data_files="{tmp_path}/to/data/*.parquet", split="train")',
            f"FROM '{tmp_path}/to/data/*.parquet'",
            f'polars.scan_parquet("{tmp_path}/to/data/*.parquet")',
        ):
            assert line in told

    def test_a_folder_that_cannot_stand_in_code_is_told_as_one(self, run: Callable[..., str], tmp_path: Path) -> None:
        told = run("tiny", "v1", str(tmp_path / 'a"b'))
        assert 'data_files="DIR/data/*.parquet"' in told
        assert "DIR stands for the folder" in told

    def test_check_asks_no_bucket(
        self, run: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run("tiny", "v1", str(tmp_path))
        monkeypatch.setattr(get_command, "open_store", None)
        assert "every sha256 right" in run("tiny", "v1", str(tmp_path), "--check")
        with pytest.raises(ReleaseError, match="holds tiny v1, not v2"):
            run("tiny", "v2", str(tmp_path), "--check")
        (tmp_path / DATA).unlink()
        with pytest.raises(ReleaseError, match="is missing"):
            run("tiny", "v1", str(tmp_path), "--check")
