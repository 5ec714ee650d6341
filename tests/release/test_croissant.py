"""croissant.json: mlcroissant takes it, and reads the phrases by it, with no other file to help."""

import json
from pathlib import Path
from typing import Any

import mlcroissant
import pyarrow as pa
import pytest

from phrasemill.release.contents import LINKS, PHRASES, features
from phrasemill.release.croissant import CROISSANT, croissant
from phrasemill.release.errors import ReleaseError
from phrasemill.release.get import get_release
from phrasemill.release.publish import publish
from tests.hostile import HOSTILE
from tests.release.committing import memory_store, objects_of
from tests.release.releasing import made_release, release_spec


def described(**changes: Any) -> dict[str, Any]:
    place = made_release(memory_store(release_spec(**changes)))
    publish(place)
    told: dict[str, Any] = json.loads(objects_of(place.store)[place.keys.file(CROISSANT)])
    return told


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = made_release()
    publish(place)
    get_release(place.store, "v1", tmp_path)
    return tmp_path


def read(folder: Path, table: str) -> list[dict[str, Any]]:
    dataset = mlcroissant.Dataset(jsonld=folder / CROISSANT)
    return [{name.removeprefix(f"{table}/"): value for name, value in row.items()} for row in dataset.records(table)]


def test_mlcroissant_finds_no_mistake() -> None:
    dataset = mlcroissant.Dataset(jsonld=described(release={"licence": "cc-by-4.0"}))
    assert not dataset.metadata.ctx.issues.errors
    assert dataset.metadata.version == "1.0.0"
    assert dataset.metadata.license == ["cc-by-4.0"]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_titles_and_models_are_text(number: int) -> None:
    told = described(title=HOSTILE[number], model={"name": HOSTILE[number - 1]}, release={"licence": HOSTILE[number]})
    assert not mlcroissant.Dataset(jsonld=told).metadata.ctx.issues.errors
    assert told["description"].isprintable()


def test_every_file_is_named_with_its_sum(folder: Path) -> None:
    told = json.loads((folder / CROISSANT).read_bytes())
    named = {one["@id"]: one["sha256"] for one in told["distribution"] if one["@type"] == "cr:FileObject"}
    manifest = json.loads((folder / "manifest.json").read_bytes())
    held = {entry["path"]: entry["sha256"] for entry in manifest["files"]}
    del held[CROISSANT], held["SHA256SUMS"]
    assert named == held


def test_phrases_are_read_with_their_slots(folder: Path) -> None:
    rows = read(folder, "phrases")
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_bytes().splitlines()]
    assert len(rows) == len(samples)
    for row, sample in zip(rows, samples, strict=True):
        assert (row["phrase_id"], row["text"].decode()) == (sample["phrase_id"], sample["text"])
        assert row["text_hash"] == sample["text_hash"]
        slots = {name.removeprefix("phrases/slots/"): lexeme for name, lexeme in row["slots"].items()}
        assert {name: lexeme.decode() for name, lexeme in slots.items() if lexeme} == sample["slots"]


def test_the_other_tables_are_read(folder: Path) -> None:
    [link] = read(folder, "links")
    assert (link["from"], link["to"], link["why"], link["weight"]) == (0, 1, b"scene", 1.5)
    assert [row["why"] for row in read(folder, "dropped")] == [b"exact", b"near"]
    assert [row["ids"] for row in read(folder, "lexemes")] == [[1, 2]]
    assert [row["word"] for row in read(folder, "words")] == [b"baceba"]


@pytest.mark.parametrize(
    ("version", "told"), [("v2.1", "2.1.0"), ("3", "3.0.0"), ("nightly", None), ("v1.2.3-rc", None)]
)
def test_versions_that_are_numbers_are_told_as_croissant_has_them(version: str, told: str | None) -> None:
    place = made_release(version=version)
    manifest = publish(place)
    assert json.loads(croissant(manifest, [], {}, licence=None)).get("version") == told


def test_a_map_is_refused_since_nobody_could_load_it() -> None:
    schema = pa.schema([("slots", pa.map_(pa.string(), pa.string()))])
    with pytest.raises(ReleaseError, match=r"column slots is of type map.* datasets cannot load"):
        features(schema)
    with pytest.raises(ReleaseError, match="column slots"):
        croissant(publish(made_release()), [], {PHRASES.name: schema}, licence=None)


def test_links_of_several_files_are_one_table() -> None:
    manifest = publish(made_release())
    entry = manifest.files[0]
    parts = [entry.model_copy(update={"path": f"links-0000{number}-of-00002.parquet"}) for number in (1, 0)]
    assert [part.path[-22:] for part in LINKS.files([*parts, entry])] == [
        "00000-of-00002.parquet",
        "00001-of-00002.parquet",
    ]
