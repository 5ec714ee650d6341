"""The corpus gate: a good release goes on to be published, a bad one is quarantined once and for all."""

import json

import pytest

from phrasemill.errors import RecordUnreadable, StoreError
from phrasemill.release.errors import ReleaseQuarantined
from phrasemill.release.judge import judge
from phrasemill.release.manifest import VerdictSummary
from phrasemill.release.place import ReleasePlace
from phrasemill.release.planning import plan_release
from tests.release.committing import objects_of
from tests.release.packed_release import NOW, packed_release
from tests.tables import sentences

QUALITY = ("quality/figures.json", "quality/report.html", "quality/summary.json", "quality/verdict.json")
NOT_MET = {"gate": {"min_mtld": 1000}}


def files(place: ReleasePlace) -> dict[str, bytes]:
    """The files under quality/, by their paths."""
    root = place.keys.file("")
    found = objects_of(place.store).items()
    return {key.removeprefix(root): held for key, held in found if key.startswith(f"{root}quality/")}


def record(place: ReleasePlace) -> dict[str, object]:
    found: dict[str, object] = json.loads(objects_of(place.store)[place.keys.quarantine])
    return found


class TestAGoodRelease:
    @pytest.fixture(scope="class")
    def place(self) -> ReleasePlace:
        return packed_release(sentences(120))

    @pytest.fixture(scope="class")
    def told(self, place) -> dict[str, object]:
        return judge(place)

    def test_passes(self, place, told) -> None:
        assert told == {"expectations": 18, "warnings": []}
        verdict = json.loads(files(place)["quality/verdict.json"])
        assert verdict["passed"]
        assert verdict["not_asked"] == {}
        assert verdict["gx_version"].startswith("1.")
        assert [one for one in verdict["expectations"] if not one["passed"]] == []

    def test_leaves_its_figures_flat(self, place, told) -> None:
        figures = json.loads(files(place)["quality/figures.json"])
        assert figures["sampled_phrases"] == 120
        assert figures["exact_duplicates"] == figures["near_duplicates_left"] == 0
        assert all(isinstance(value, float | int) for value in figures.values())

    def test_reports_on_its_shards_at_the_moment_of_the_plan(self, place, told) -> None:
        summary = json.loads(files(place)["quality/summary.json"])
        assert (summary["run_id"], summary["made_at"]) == ("v1", "2026-11-23T06:00:00Z")
        assert [shard["shard"] for shard in summary["shards"]] == [0, 1]
        assert summary["corpus_figures"]["sampled"]["shards"] == 2
        assert len(summary["sample"]) == 30
        assert len({phrase["template"] for phrase in summary["sample"]}) == 2
        assert b"2026-11-23" in files(place)["quality/report.html"]

    def test_its_files_are_noted_for_the_manifest(self, place, told) -> None:
        noted = {entry.path: entry.bytes for entry in place.files()}
        assert {path: noted.get(path) for path in QUALITY} == {path: len(held) for path, held in files(place).items()}

    def test_judged_again_from_nothing_it_has_the_same_bytes(self, place, told) -> None:
        before = files(place)
        for key in [key for key in objects_of(place.store) if "/quality/" in key or key.endswith("judged.json")]:
            del objects_of(place.store)[key]
        assert judge(place) == told
        assert files(place) == before

    def test_judged_already_it_is_not_judged_again(self, place, told) -> None:
        puts = len(place.store.bucket.puts)
        assert judge(place) == told
        assert len(place.store.bucket.puts) == puts


class TestShardsBesideThePlan:
    def test_change_nothing(self) -> None:
        """What is committed or quarantined after the plan is not part of the release."""
        texts = sentences(180)
        alone = packed_release(texts[:120], target_phrases=180, partial=True)
        judge(alone)
        before = files(alone)
        objects = objects_of(alone.store)
        for key in [key for key in objects if "/quality/" in key or key.endswith("judged.json")]:
            del objects[key]
        later = packed_release(texts, target_phrases=180)
        fresh = {key: held for key, held in objects_of(later.store).items() if "/releases/" not in key}
        for key, held in fresh.items():
            objects.setdefault(key, held)
        assert len(alone.store.committed()) == 3
        judge(alone)
        assert files(alone) == before


class TestABadRelease:
    @pytest.fixture(scope="class")
    def place(self) -> ReleasePlace:
        return packed_release(sentences(60, words=20), release={"gate": {"min_mtld": 1000, "min_distinct_1": 0.9}})

    @pytest.fixture(scope="class")
    def error(self, place) -> ReleaseQuarantined:
        with pytest.raises(ReleaseQuarantined) as caught:
            judge(place)
        return caught.value

    def test_names_each_expectation_with_value_and_limit(self, error) -> None:
        assert "distinct words (distinct-1): " in str(error)
        assert "(limit: at least 90 % in 500 phrases); lexical diversity (MTLD): " in str(error)
        assert "(limit: at least 1000). " in str(error)
        assert "release v1 of tiny is not published" in str(error)
        assert "\n" not in str(error)

    def test_says_what_to_do_next(self, error) -> None:
        assert "releases/v1/quality/report.html" in str(error)
        assert "make it a warning under release.gate in the corpus file" in str(error)
        assert "`phrasemill release tiny` makes v2; v1 is never published" in str(error)

    def test_is_recorded_with_its_verdict(self, place, error) -> None:
        held = record(place)
        assert (held["corpus"], held["version"], held["plan"]) == ("tiny", "v1", place.plan.digest)
        assert held["at"] == NOW.isoformat()
        assert [reason.partition(":")[0] for reason in held["reasons"]] == [
            "distinct words (distinct-1)",
            "lexical diversity (MTLD)",
        ]
        assert held["verdict"] == json.loads(files(place)["quality/verdict.json"])
        assert not held["verdict"]["passed"]

    def test_leaves_no_work_and_no_manifest(self, place, error) -> None:
        objects = objects_of(place.store)
        assert [key for key in objects if key.startswith(place.keys.all_work)] == []
        assert place.keys.manifest not in objects
        assert place.keys.plan in objects
        assert any("/data/train-00000-of-00001.parquet" in key for key in objects)

    def test_judged_again_it_fails_with_the_same_words(self, place, error) -> None:
        before = dict(objects_of(place.store))
        with pytest.raises(ReleaseQuarantined) as again:
            judge(place)
        assert str(again.value) == str(error)
        assert objects_of(place.store) == before

    def test_work_that_a_kill_has_left_is_removed(self, place, error) -> None:
        place.put_json("kept.json", {})
        with pytest.raises(ReleaseQuarantined):
            judge(place)
        assert place.work_names("") == []

    def test_a_record_that_is_none_is_not_taken_for_one(self, place, error) -> None:
        objects = objects_of(place.store)
        sound = objects[place.keys.quarantine]
        objects[place.keys.quarantine] = b"{}"
        with pytest.raises(RecordUnreadable, match=r"quarantine.json: is no record of the corpus gate"):
            judge(place)
        objects[place.keys.quarantine] = sound

    def test_is_not_planned_again(self, place, error) -> None:
        with pytest.raises(ReleaseQuarantined, match="lexical diversity"):
            plan_release(place.store, "v1")


class TestKilledAtTheRecord:
    class Killed(BaseException):
        """As SIGKILL: nothing of ours catches it."""

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_the_next_try_leaves_what_an_undisturbed_one_does(self, monkeypatch, when) -> None:
        place = packed_release(sentences(60), release={"gate": {"min_distinct_1": 0.9}})
        packed = dict(objects_of(place.store))
        with pytest.raises(ReleaseQuarantined):
            judge(place)
        undisturbed = dict(objects_of(place.store))
        objects_of(place.store).clear()
        objects_of(place.store).update(packed)
        put = place.store.bucket.put_if_absent

        def dies(key: str, content: bytes, **how: str) -> bool:
            if when == "after":
                put(key, content, **how)
            raise self.Killed

        with monkeypatch.context() as patched, pytest.raises(self.Killed):
            patched.setattr(place.store.bucket, "put_if_absent", dies)
            judge(place)
        assert "quality/verdict.json" not in files(place)  # so it cannot be published
        with pytest.raises(ReleaseQuarantined):
            judge(place)
        assert objects_of(place.store) == undisturbed


class TestSeverity:
    @pytest.fixture(scope="class")
    def place(self) -> ReleasePlace:
        gate = {"min_mtld": 1000, "severity": {"lexical diversity (MTLD)": "warning"}}
        return packed_release(sentences(60, words=20), release={"gate": gate})

    def test_a_warning_is_told_and_published(self, place) -> None:
        told = judge(place)
        assert [warning.partition(":")[0] for warning in told["warnings"]] == ["lexical diversity (MTLD)"]
        assert place.keys.quarantine not in objects_of(place.store)
        summed = VerdictSummary.of(json.loads(files(place)["quality/verdict.json"]))
        assert summed.passed
        assert summed.warnings == tuple(told["warnings"])

    def test_what_a_small_release_is_not_asked_is_said(self) -> None:
        place = packed_release(sentences(60), release=NOT_MET)
        assert judge(place)["warnings"] == []
        verdict = json.loads(files(place)["quality/verdict.json"])
        assert verdict["not_asked"]["lexical diversity (MTLD)"] == "the sample has 840 words, and 1,000 are needed"


class TestDamage:
    def test_a_duplicate_that_was_smuggled_in_is_found(self) -> None:
        place = packed_release(sentences(60))
        hashes = place.array("packed/hashes-00000.npy").copy()
        hashes[30] = hashes[20]
        place.put_array("packed/hashes-00000.npy", hashes)
        with pytest.raises(ReleaseQuarantined, match=r"texts are unique in the release: 1 \(limit: 0: every text"):
            judge(place)

    def test_without_the_manifest_of_a_shard_nothing_is_judged(self) -> None:
        place = packed_release(sentences(60))
        del objects_of(place.store)[place.store.keys.manifest(0)]
        with pytest.raises(StoreError, match=r"shard-00000.json: the manifest of a shard of this release is gone"):
            judge(place)
        assert files(place) == {}
        assert place.keys.quarantine not in objects_of(place.store)
