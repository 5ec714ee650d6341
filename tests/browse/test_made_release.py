"""A release made by all of its steps, read as hypertext: what the steps leave is what the reader takes."""

import datetime as dt

import pytest

from phrasemill.browse.files import BucketFiles, FolderFiles
from phrasemill.browse.published import published_versions
from phrasemill.browse.reader import ReleaseReader, words_in
from phrasemill.committed_rows import shard_rows
from phrasemill.release.get import get_release
from phrasemill.release.run import run_release
from tests.release.committing import commit, memory_store
from tests.specs import make_spec, merged

NOW = dt.datetime(2026, 12, 1, 8, 30, tzinfo=dt.UTC)


@pytest.fixture(scope="module", params=["id", "shuffled"])
def store(request):
    """180 of 240 phrases, in scenes of six."""
    changes = {"target_phrases": 180, "oversample": 1 / 3, "prompts": {"scene_phrases": 6}}
    release = {"order": request.param, "seed": 3, "rare_lexeme_share": 0.2, "file_bytes": 2**16}
    store = memory_store(make_spec(**merged(changes, {"release": release})))
    for number in range(4):
        commit(store, number)
    run_release(store, "v1", now=NOW)
    return store


@pytest.fixture(scope="module")
def rows(store):
    """The committed rows that it is made of, by id."""
    tables = [shard_rows(store, manifest) for manifest in store.manifests(range(4))]
    return {row["phrase_id"]: row for table in tables for row in table.to_pylist()}


@pytest.fixture(scope="module", params=["bucket", "folder"])
def reader(request, store, tmp_path_factory):
    if request.param == "bucket":
        [version] = published_versions(store)
        return ReleaseReader(BucketFiles(store, version), threads=1)
    folder = tmp_path_factory.mktemp("got") / "release"
    get_release(store, "v1", folder)
    return ReleaseReader(FolderFiles(folder), threads=1)


def test_its_phrases_are_those_that_were_committed(reader, rows):
    phrases = reader.phrases(sorted(rows))
    assert len(phrases) == reader.manifest.phrases == 180
    for phrase in phrases:
        row = rows[phrase.phrase_id]
        assert (phrase.text, phrase.scene, phrase.slots) == (row["text"], row["scene"], dict(row["slots"]))


def test_its_links_lead_to_phrases_of_the_same_scene_or_lexeme(reader, rows):
    links = 0
    for phrase in reader.phrases(range(0, 170, 7)):
        for link in reader.links_from(phrase.phrase_id):
            target = reader.phrase(link.to_id)
            links += 1
            if link.why == "scene":
                assert target.scene == phrase.scene
            else:
                slot, _, lexeme = link.why.partition(": ")
                assert target.slots[slot] == phrase.slots[slot] == lexeme
    assert links > 40


def test_its_scenes_and_lexemes_are_whole(reader, rows):
    last = max(phrase.phrase_id for phrase in reader.phrases(sorted(rows)))
    phrase = reader.phrase(40)
    wanted = [number for number, row in rows.items() if row["scene"] == phrase.scene and number <= last]
    assert [one.phrase_id for one in reader.scene(phrase.scene)] == wanted
    for lexeme in reader.lexemes_of(phrase.slots):
        found = reader.lexeme(lexeme.slot, lexeme.lexeme)
        assert found.listing.listed == lexeme.phrases
        assert all(one.slots[lexeme.slot] == lexeme.lexeme for one in found.listing.phrases)


def test_its_words_are_found(reader):
    for word in words_in([reader.phrase(40).text])[0]:
        found = reader.word(word)
        assert found.listing.phrases
        assert all(word in words_in([phrase.text])[0] for phrase in found.listing.phrases)


def test_it_can_be_walked(reader):
    assert len(reader.random_walk(0, 6, seed=1)) == 7
    assert reader.counts["phrases"] == 180
