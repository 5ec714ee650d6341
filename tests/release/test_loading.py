"""The lines that load a release are run as its card prints them, offline, beside a folder DIR that it lies in."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from phrasemill.release.get import get_release
from phrasemill.release.loading import LOADERS, MORE_LOADERS, PLACEHOLDER, code, readme_block
from phrasemill.release.publish import publish
from tests.release.releasing import KEPT, made_release

RUN = """
import json, sys
names = {}
for block in json.load(sys.stdin):
    exec(block, names)
load = names["datasets"].load_dataset
told = {
    "phrases": names["phrases"].to_list(),
    "lexemes": names["lexemes"].to_list(),
    "texts": names["texts"].to_dicts(),
    "lines": names["lines"].to_series().to_list(),
    **{table: load("DIR", table, split="train").to_list() for table in ("links", "dropped", "words")},
}
json.dump(told, open("told.json", "w"))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = made_release()
    publish(place)
    to = tmp_path_factory.mktemp("releases") / PLACEHOLDER
    get_release(place.store, "v1", to)
    return to


@pytest.fixture(scope="module")
def loaded(folder: Path) -> tuple[dict[str, Any], str]:
    """What the card's blocks load, and what they print, in a program of its own: no hub, and a cache of its own."""
    beside = folder.parent
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    home = {"HF_HOME": str(beside / "hf"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(python_blocks((folder / "README.md").read_text())),
        cwd=beside,
        env=kept | home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((beside / "told.json").read_text()), done.stdout


def python_blocks(markdown: str) -> list[str]:
    """Of a text with a YAML header."""
    tokens = MarkdownIt("commonmark").parse(markdown.split("\n---\n", 1)[1])
    return [token.content for token in tokens if token.type == "fence" and token.info == "python"]


def test_the_card_shows_every_way(folder: Path) -> None:
    blocks = python_blocks((folder / "README.md").read_text())
    assert blocks == [f"{code(loader, PLACEHOLDER)}\n" for loader in (*LOADERS, *MORE_LOADERS)]
    assert readme_block() == "\n".join(blocks[: len(LOADERS)])


def test_every_way_gives_the_phrases(folder: Path, loaded: tuple[dict[str, Any], str]) -> None:
    told, printed = loaded
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_bytes().splitlines()]
    assert len(samples) == KEPT
    assert [_without_nulls(row) for row in told["phrases"]] == samples
    assert told["texts"] == [{"phrase_id": row["phrase_id"], "text": row["text"]} for row in samples]
    assert told["lines"] == [row["text"] for row in samples]
    assert [line for line in printed.splitlines() if "seen" in line and "136" in line]


def test_the_other_tables_are_configurations_of_their_own(loaded: tuple[dict[str, Any], str]) -> None:
    told, _ = loaded
    assert told["links"] == [{"from": 0, "to": 1, "why": "scene", "weight": 1.5}]
    assert [row["why"] for row in told["dropped"]] == ["exact", "near"]
    assert told["lexemes"] == [{"slot": "object", "lexeme": "a bell", "phrases": 9, "linked": True, "ids": [1, 2]}]
    assert told["words"] == [{"word": "baceba", "phrases": 2, "ids": [0]}]


@pytest.mark.parametrize("folder", ['a"b', "a'b", "a{b}", "a*", "a[1]", "a\nb", "a\\b", "a\u202eb"])
def test_a_folder_that_cannot_stand_in_the_lines_is_not_written_into_them(folder: str) -> None:
    assert all(code(loader, folder) == code(loader, PLACEHOLDER) for loader in (*LOADERS, *MORE_LOADERS))


def _without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"slots": {slot: lexeme for slot, lexeme in row["slots"].items() if lexeme is not None}}


def test_the_readme_shows_the_same_lines() -> None:
    readme = Path(__file__).parents[2] / "README.md"
    assert f"```python\n{readme_block()}```" in readme.read_text()
