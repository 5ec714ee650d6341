"""Publishing: the manifest comes last and once, names what is there, and the same bytes come out however often."""

import hashlib
import json
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest

from phrasemill.errors import StoreUnavailable
from phrasemill.release.errors import ReleaseError, ReleaseExists, ReleaseQuarantined, WorkMissing
from phrasemill.release.manifest import ReleaseManifest, read_manifest
from phrasemill.release.place import ReleasePlace
from phrasemill.release.publish import DESCRIBING, publish
from phrasemill.release.samples import json_lines
from phrasemill.release.spread import spread
from tests.release.committing import MemoryBucket, objects_of
from tests.release.releasing import DROPS, KEPT, made_release


def finished(place: ReleasePlace) -> dict[str, bytes]:
    """What lies under the version, work left out, by path."""
    root = place.keys.root
    found = {key.removeprefix(root): content for key, content in objects_of(place.store).items() if root in key}
    return {path: content for path, content in found.items() if not path.startswith("work/")}


def place_ids(number: int) -> list[int]:
    """Phrase ids of one of the two files."""
    ids = [one for one in range(240) if one not in DROPS][:KEPT]
    return ids[number * KEPT // 2 : (number + 1) * KEPT // 2]


class Killed(Exception):
    pass


class DyingBucket(MemoryBucket):
    """Lets so many puts and deletes through; the one after them kills."""

    def __init__(self, other: MemoryBucket, left: int) -> None:
        super().__init__()
        self.objects, self.left = dict(other.objects), left

    def put(self, key: str, content: bytes, *, content_type: str = "") -> None:
        self._spend()
        super().put(key, content, content_type=content_type or "any")

    def delete(self, keys: list[str]) -> None:
        self._spend()
        super().delete(keys)

    def _spend(self) -> None:
        if not self.left:
            raise Killed
        self.left -= 1


class TestPublish:
    def test_the_manifest_names_every_file_with_its_size_and_sha256(self) -> None:
        place = made_release()
        manifest = publish(place)
        found = finished(place)
        named = {entry.path: (entry.bytes, entry.sha256) for entry in manifest.files}
        del found["plan.json"], found["manifest.json"]
        assert named == {path: (len(held), hashlib.sha256(held).hexdigest()) for path, held in found.items()}
        assert named.keys() >= DESCRIBING

    def test_the_manifest_counts_what_was_kept_and_dropped(self) -> None:
        manifest = publish(made_release())
        assert (manifest.phrases, manifest.committed, manifest.target) == (KEPT, 240, KEPT)
        assert (manifest.dropped_exact, manifest.dropped_near) == (1, len(DROPS) - 1)
        assert manifest.shards == "0-3"
        assert manifest.verdict.warnings == ("Zipf slope: 0.61 (limit: 0.7 to 1.3)",)

    def test_what_is_returned_is_what_is_read_back(self) -> None:
        place = made_release()
        assert read_manifest(place.store, "v1") is None
        assert publish(place) == read_manifest(place.store, "v1")

    def test_the_manifest_is_put_last_and_the_work_is_removed(self) -> None:
        place = made_release()
        publish(place)
        bucket = place.store.bucket
        assert isinstance(bucket, MemoryBucket)
        assert bucket.puts[-1] == place.keys.manifest
        assert not list(bucket.entries(place.keys.all_work))
        assert bucket.entry(place.keys.plan) is not None

    def test_samples_are_spread_over_the_release_with_all_columns(self) -> None:
        place = made_release()
        publish(place)
        rows = [json.loads(line) for line in finished(place)["samples.jsonl"].splitlines()]
        assert len(rows) == KEPT
        assert [row["phrase_id"] for row in rows] == sorted({row["phrase_id"] for row in rows})
        assert rows[0].keys() >= {"phrase_id", "text", "template", "scene", "slots", "lang", "chars"}
        assert rows[0]["slots"].keys() in ({"object", "place"}, {"object", "trade"})

    def test_of_more_some_are_drawn_from_all_over(self) -> None:
        place = made_release()
        for number in range(2):
            name = f"packed/sample-{number:05d}.parquet"
            place.put_table(name, pa.concat_tables([place.table(name)] * 7))
        publish(place)
        rows = [json.loads(line)["phrase_id"] for line in finished(place)["samples.jsonl"].splitlines()]
        ids = [row for number in range(2) for row in place_ids(number) * 7]
        assert rows == [ids[place] for place in spread(len(ids), most=200)]

    def test_samples_act_on_no_terminal_and_no_page(self) -> None:
        row = {"text": "\u202e<b>\x1b[31m & Привет\u2028", "slots": [("object", "a bell"), ("place", None)]}
        content = json_lines([row]).decode()
        assert content.removesuffix("\n").isprintable()
        assert not set("<>&") & set(content)
        assert "Привет" in content
        assert json.loads(content) == row | {"slots": {"object": "a bell"}}

    def test_sha256sum_reads_the_sums(self, tmp_path: Path) -> None:
        place = made_release()
        publish(place)
        for path, content in finished(place).items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(content)
        checked = subprocess.run(
            ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=tmp_path, capture_output=True, check=False
        )
        assert checked.returncode == 0, checked.stderr
        assert len(checked.stdout.splitlines()) == len(finished(place)) - 3  # plan, manifest and the sums themselves


class TestAgain:
    def test_a_publication_killed_at_any_point_and_done_again_gives_the_same_bytes(self) -> None:
        whole = made_release()
        before = whole.store.bucket
        assert isinstance(before, MemoryBucket)
        start = MemoryBucket()
        start.objects = dict(before.objects)
        publish(whole)
        deaths = 0
        for left in range(1000):
            bucket = DyingBucket(start, left)
            place = ReleasePlace(type(whole.store)(bucket, whole.store.spec), whole.plan)  # type: ignore[arg-type]
            try:
                publish(place)
            except Killed:
                deaths += 1
                bucket.left = 1000
                publish(place)
                assert bucket.objects == before.objects
            else:
                break
        assert deaths > 10

    def test_a_published_version_is_only_cleared_up(self) -> None:
        place = made_release()
        manifest = publish(place)
        place.put_json("kept.json", {})
        assert publish(place) == manifest
        assert not list(place.store.bucket.entries(place.keys.all_work))

    def test_a_manifest_from_another_plan_is_never_overwritten(self) -> None:
        place = made_release()
        manifest = publish(place)
        other = manifest.model_copy(update={"plan_digest": "0" * 12})
        objects_of(place.store)[place.keys.manifest] = other.as_json()
        with pytest.raises(ReleaseExists, match="v1 of tiny is published already"):
            publish(place)
        assert read_manifest(place.store, "v1") == other

    @pytest.mark.parametrize("reads", range(1, 40, 3))
    def test_of_two_at_once_with_one_plan_the_second_changes_no_byte(self, reads: int) -> None:
        """The first clears the work up at any moment, and the second finds it gone."""
        place = made_release()

        class Overtaken(MemoryBucket):
            left = reads

            def get(self, key: str) -> bytes | None:
                self.left -= 1
                if self.left == 0:
                    publish(place)
                return super().get(key)

        bucket = Overtaken()
        bucket.objects = objects_of(place.store)
        late = publish(ReleasePlace(type(place.store)(bucket, place.store.spec), place.plan))  # type: ignore[arg-type]
        published = finished(place)
        assert {one.path: one.sha256 for one in late.files} == {
            path: hashlib.sha256(published[path]).hexdigest()
            for path in published.keys() - {"plan.json", "manifest.json"}
        }
        assert not list(bucket.entries(place.keys.all_work))

    def test_of_two_at_once_the_second_finds_other_bytes(self) -> None:
        place = made_release()
        late = publish(made_release()).model_copy(update={"title": "Another"})

        class Racing(MemoryBucket):
            def put_if_absent(self, key: str, content: bytes, *, content_type: str = "") -> bool:
                self.objects[key] = late.as_json()
                return super().put_if_absent(key, content, content_type=content_type)

        bucket = Racing()
        bucket.objects = objects_of(place.store)
        with pytest.raises(ReleaseExists):
            publish(ReleasePlace(type(place.store)(bucket, place.store.spec), place.plan))  # type: ignore[arg-type]


def refused(place: ReleasePlace, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        publish(place)
    assert read_manifest(place.store, place.plan.version) is None


class TestRefused:
    @pytest.mark.parametrize(
        "path",
        [
            "data/train-00001-of-00002.parquet",
            "text/train-00000-of-00002.txt.zst",
            "links.parquet",
            "dropped.parquet",
            "index/lexemes.parquet",
            "index/words.parquet",
            "quality/verdict.json",
            "quality/figures.json",
            "quality/report.html",
            "quality/summary.json",
        ],
    )
    def test_a_file_that_was_not_made(self, path: str) -> None:
        place = made_release()
        del objects_of(place.store)[place.keys.work(place.plan.digest, f"files/{path}.json")]
        refused(place, WorkMissing, f"{path} has not been made")

    @pytest.mark.parametrize("spoilt", [b"short", None])
    def test_a_file_that_is_gone_or_cut(self, spoilt: bytes | None) -> None:
        place = made_release()
        key = place.keys.file("quality/report.html")
        if spoilt is None:
            del objects_of(place.store)[key]
        else:
            objects_of(place.store)[key] = spoilt
        refused(place, StoreUnavailable, "report.html (is gone|has 5 bytes, not 15)")

    def test_a_file_that_nobody_made(self) -> None:
        place = made_release()
        objects_of(place.store)[place.keys.file("data/train-00002-of-00003.parquet")] = b"of another try"
        refused(place, ReleaseError, r"train-00002-of-00003.parquet: is no file of release v1 \(1 such in all\)")

    def test_other_rows_than_were_kept(self) -> None:
        place = made_release()
        kept = place.json("kept.json")
        place.put_json("kept.json", kept | {"kept": KEPT - 1})
        refused(place, ReleaseError, "keeps 179 phrases")

    def test_files_with_other_rows_than_were_noted(self) -> None:
        place = made_release()
        name = "files/data/train-00000-of-00002.parquet.json"
        place.put_json(name, place.json(name) | {"rows": 91})
        name = "files/data/train-00001-of-00002.parquet.json"
        place.put_json(name, place.json(name) | {"rows": 89})
        refused(place, ReleaseError, "not the 91 rows")

    def test_a_damaged_parquet_file(self) -> None:
        place = made_release()
        key = place.keys.file("links.parquet")
        objects_of(place.store)[key] = objects_of(place.store)[key][:-1] + b"?"
        refused(place, ReleaseError, "does not end as a Parquet file")

    def test_a_shard_that_was_written_anew_since_the_plan(self) -> None:
        place = made_release()
        key = place.store.keys.manifest(2)
        manifest = json.loads(objects_of(place.store)[key]) | {"data_sha256": "0" * 64}
        objects_of(place.store)[key] = json.dumps(manifest).encode()
        refused(place, ReleaseError, "shards 2 of tiny are no longer those")

    def test_a_quarantined_version(self) -> None:
        place = made_release()
        objects_of(place.store)[place.keys.quarantine] = b"{}"
        refused(place, ReleaseQuarantined, "quarantined by the corpus gate")

    def test_a_verdict_that_is_none(self) -> None:
        place = made_release()
        place.put_file("quality/verdict.json", b'{"passed": true}')
        refused(place, ReleaseError, "verdict.json")


def test_published_manifests_parse_as_they_were() -> None:
    manifest = publish(made_release())
    assert ReleaseManifest.model_validate_json(manifest.as_json()) == manifest
