"""ReleasePlace: files of a version are put as often as one likes, until it is published."""

import pytest

from phrasemill.release.errors import ReleaseExists
from phrasemill.release.place import ReleasePlace
from phrasemill.release.publish import publish
from tests.release.committing import objects_of
from tests.release.releasing import made_release


@pytest.fixture(scope="module")
def published() -> ReleasePlace:
    place = made_release()
    publish(place)
    return place


def test_a_published_file_is_never_overwritten(published: ReleasePlace) -> None:
    before = dict(objects_of(published.store))
    with pytest.raises(ReleaseExists, match=r"release v1 of tiny was published meanwhile .*is never overwritten"):
        published.put_file("links.parquet", b"of what was left while the work was cleared up", rows=3)
    with pytest.raises(ReleaseExists):
        published.put_file("links-00000-of-00002.parquet", b"a file that it does not have")
    assert objects_of(published.store) == before


def test_the_very_same_file_may_be_put_again(published: ReleasePlace) -> None:
    before = dict(objects_of(published.store))
    key = published.keys.file("quality/report.html")
    entry = published.put_file("quality/report.html", before[key])
    assert entry.bytes == len(before[key])
    assert objects_of(published.store)[key] == before[key]
    assert [entry] == published.files()
    objects_of(published.store).update(before)


def test_a_manifest_that_cannot_be_read_protects_all(published: ReleasePlace) -> None:
    key = published.keys.file("quality/report.html")
    content = objects_of(published.store)[key]
    manifest = objects_of(published.store)[published.keys.manifest]
    objects_of(published.store)[published.keys.manifest] = b"{}"
    with pytest.raises(ReleaseExists):
        published.put_file("quality/report.html", content)
    objects_of(published.store)[published.keys.manifest] = manifest
