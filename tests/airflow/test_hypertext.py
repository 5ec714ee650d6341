"""The hypertext of a corpus's release inside Airflow: the newest one or the one asked for, and what is told instead."""

import re
import shutil

import pytest

from phrasemill.release.keys import ReleaseKeys
from tests.airflow.browsers import browser
from tests.airflow.harbours import add_dag, new_harbour, settled
from tests.browse.releases import browse_spec, phrases_of, write_release
from tests.hostile import HOSTILE

pytestmark = pytest.mark.usefixtures("airflow_database", "connect_s3")


@pytest.fixture
def store(corpora, s3_server):
    return new_harbour(corpora, s3_server)


@pytest.fixture
def home(store):
    """The address of the corpus's hypertext."""
    return f"/phrasemill/dags/{add_dag(store)}/hypertext"


@pytest.fixture
def publish(store, tmp_path):
    """Puts a release of so many phrases under a version, made on a day of the month."""

    def put(version, *, day, phrases=60, texts=None):
        folder = write_release(
            tmp_path / version,
            phrases_of(browse_spec(), phrases, texts),
            corpus=store.spec.name,
            version=version,
            title=f"Harbour of {version}",
            day=day,
        )
        keys = ReleaseKeys.of(store.keys.root, version)
        # The manifest last: until then nothing is published.
        for path in sorted(folder.rglob("*"), key=lambda path: path.name == "manifest.json"):
            if path.is_file():
                store.bucket.put(keys.file(str(path.relative_to(folder))), path.read_bytes())
        shutil.rmtree(folder)

    return put


class TestARelease:
    def test_is_read_page_by_page(self, reader, home, publish):
        publish("v1", day=1)
        start = settled(reader, home)
        assert (start.status_code, "Harbour of v1" in start.text) == (200, True)
        phrase = reader.get(f"{home}/phrase?id=3")
        assert "Story 3 of week w3" in re.sub("<[^>]*>", "", phrase.text)
        addresses = re.findall(rf'href="({home}[^"]*)"', phrase.text)
        assert len(addresses) > 8
        for address in addresses:
            assert reader.get(address.replace("&amp;", "&")).status_code in {200, 303}, address

    def test_that_has_not_changed_is_not_sent_again(self, reader, home, publish):
        publish("v1", day=1)
        settled(reader, home)
        first = reader.get(f"{home}/phrase?id=3")
        again = reader.get(f"{home}/phrase?id=3", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")

    def test_is_the_newest_or_the_one_asked_for(self, reader, home, publish):
        publish("v2", day=2)
        publish("v10", day=1)
        assert "Harbour of v2" in settled(reader, home).text
        asked = reader.get(home, params={"version": "v10"})
        assert "Harbour of v10" in asked.text
        links = [link for link in re.findall(r'href="([^"]*)"', asked.text) if link.startswith(f"{home}/")]
        assert links
        assert all("version=v10" in link for link in links)
        assert '<input type="hidden" name="version" value="v10">' in asked.text
        moved = reader.get(f"{home}/random", params={"version": "v10"})
        assert (moved.status_code, moved.headers["location"].endswith("&version=v10")) == (303, True)

    def test_stands_under_the_policy_of_all_pages(self, reader, home, publish):
        from phrasemill.web.pages import POLICY

        publish("v1", day=1, texts=[f"{HOSTILE[number % len(HOSTILE)]} {number}" for number in range(60)])
        settled(reader, home)
        for page in ("", "/phrase?id=0", "/phrase?id=4", "/scene?scene=1", "/walk?id=3", "/word?q=script"):
            answer = reader.get(home + page)
            assert answer.headers["content-security-policy"] == POLICY
            assert not re.search(r"<(script>|img|svg|h1>Mine|b>)", answer.text)
            assert not re.search("[\u202a-\u202e\u2066-\u2069\ufeff\x07\x1b]", answer.text)


class TestWhatIsToldInstead:
    def test_where_nothing_is_published(self, reader, home):
        answer = settled(reader, home)
        assert (answer.status_code, "has no published release yet" in answer.text) == (404, True)

    def test_of_a_version_that_is_not_published(self, reader, home, publish):
        publish("v1", day=1)
        settled(reader, home)
        for version in ("v2", "../v1", "<script>"):
            answer = reader.get(home, params={"version": version})
            assert (answer.status_code, "there are v1" in answer.text) == (404, True)

    @pytest.mark.parametrize("page", ["/phrase?id=16", "/phrase?id=x", "/scene?scene=0", "/word?q=zebra", "/lexeme"])
    def test_of_what_the_release_does_not_have(self, reader, home, publish, page):
        publish("v1", day=1)
        settled(reader, home)
        answer = reader.get(home + page)
        assert (answer.status_code, "Not in this release" in answer.text) == (404, True)

    def test_where_a_file_of_the_release_is_gone(self, reader, home, publish, store):
        publish("v1", day=1)
        assert settled(reader, f"{home}/phrase?id=3").status_code == 200
        store.bucket.delete([ReleaseKeys.of(store.keys.root, "v1").file("index/words.parquet")])
        answer = reader.get(f"{home}/word?q=story")
        assert (answer.status_code, "This page cannot be shown" in answer.text) == (503, True)
        assert "Traceback" not in answer.text
        assert reader.get(f"{home}/phrase?id=3").status_code == 200

    def test_nobody_without_a_login_is_told_anything(self, app, home, publish):
        publish("v1", day=1)
        for page in ("", "/phrase?id=3", "/word?q=story", "/random"):
            assert browser(app).get(home + page).status_code == 401


class TestReleases:
    def test_as_many_readers_are_kept_as_are_set(self, store, publish):
        from phrasemill.web.hypertext import READERS_KEPT, Releases

        releases = Releases()
        versions = [f"v{number}" for number in range(READERS_KEPT + 1)]
        for number, version in enumerate(versions):
            publish(version, day=number + 1)
        first = releases.reader(store, versions[0])
        assert releases.reader(store, versions[0]) is first
        for version in versions[1:]:
            releases.reader(store, version)
        assert releases.reader(store, versions[0]) is not first
        assert first.phrase(3).phrase_id == 3  # whoever still reads it goes on

    def test_versions_are_asked_for_once_in_a_while(self, store, publish):
        from phrasemill.web.hypertext import LISTED_S, Releases

        now = [100.0]
        releases = Releases(clock=lambda: now[0])
        assert releases.versions(store) == []
        publish("v1", day=1)
        assert releases.versions(store) == []
        now[0] += LISTED_S
        assert releases.versions(store) == ["v1"]
