"""Release manifests: read back as they were, refused where they are of another kind, and found by 'latest'."""

import json

import pytest

from phrasemill.errors import RecordUnreadable
from phrasemill.release.errors import ReleaseError
from phrasemill.release.manifest import VerdictSummary, latest_version, read_manifest
from phrasemill.release.publish import publish
from tests.release.committing import memory_store, objects_of
from tests.release.releasing import made_release, release_spec


def test_none_is_there_before_publication() -> None:
    place = made_release()
    assert read_manifest(place.store, "v1") is None
    assert read_manifest(place.store, "v7") is None


def test_a_version_that_is_no_name_is_refused() -> None:
    with pytest.raises(ReleaseError, match="cannot be used"):
        read_manifest(memory_store(release_spec()), "../v1")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 2}'])
def test_what_is_no_manifest_is_named(content: bytes) -> None:
    place = made_release()
    objects_of(place.store)[place.keys.manifest] = content
    with pytest.raises(RecordUnreadable, match=r"releases/v1/manifest\.json: is no release manifest of this version"):
        read_manifest(place.store, "v1")


def test_an_unknown_field_is_of_another_version() -> None:
    place = made_release()
    told = json.loads(publish(place).as_json()) | {"colour": "green"}
    objects_of(place.store)[place.keys.manifest] = json.dumps(told).encode()
    with pytest.raises(RecordUnreadable, match="colour"):
        read_manifest(place.store, "v1")


class TestLatest:
    def test_it_is_the_one_planned_last(self) -> None:
        place = made_release(version="v10")
        first = publish(place)
        earlier = first.model_copy(update={"version": "v2", "created_at": first.created_at.replace(year=2025)})
        objects_of(place.store)[place.keys.manifest.replace("/v10/", "/v2/")] = earlier.as_json()
        assert latest_version(place.store) == "v10"
        newer = first.model_copy(update={"version": "v2", "created_at": first.created_at.replace(year=2027)})
        objects_of(place.store)[place.keys.manifest.replace("/v10/", "/v2/")] = newer.as_json()
        assert latest_version(place.store) == "v2"

    def test_one_begun_is_none(self) -> None:
        place = made_release()
        with pytest.raises(ReleaseError, match="tiny: no version is published yet; make one with `phrasemill release"):
            latest_version(place.store)


class TestVerdictSummary:
    def test_only_warnings_that_do_not_hold_are_told(self) -> None:
        one = {"name": "a", "observed": "1", "limit": "2", "severity": "warning", "passed": True}
        two = one | {"name": "b", "passed": False}
        told = VerdictSummary.of({"passed": True, "expectations": [one, two]})
        assert told == VerdictSummary(passed=True, expectations=2, warnings=("b: 1 (limit: 2)",))

    @pytest.mark.parametrize("verdict", [{}, {"passed": True, "expectations": [{}]}, {"passed": 7, "expectations": []}])
    def test_what_is_no_verdict_is_refused(self, verdict: dict[str, object]) -> None:
        with pytest.raises(ReleaseError, match="judge again"):
            VerdictSummary.of(verdict)
