"""Text files: one phrase a line, in frames that common tools read as one file."""

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from phrasemill.release.text_file import LineBreakInPhrase, text_frame
from tests.release.packing import phrase, unpacked

PHRASES = [[phrase(number) for number in range(first, first + 300)] for first in (0, 300, 600)]
SIGNS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
"""Where `str.splitlines` would end a line, and readers of files do not. The rules let none of them pass."""
PHRASES.append([f"A lamp {sign} U+{ord(sign):04X}." for sign in SIGNS])
LINES = [text for texts in PHRASES for text in texts]


def frame(texts: list[str], *, first_id: int = 0) -> tuple[bytes, int]:
    return text_frame(pa.array(texts), pa.array(range(first_id, first_id + len(texts))))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Four frames."""
    path = tmp_path / "train.txt.zst"
    path.write_bytes(b"".join(frame(texts)[0] for texts in PHRASES))
    return path


class TestReaders:
    def test_pyarrow(self, file: Path) -> None:
        assert unpacked(file.read_bytes()) == LINES

    def test_pythons_own_lines(self, file: Path) -> None:
        text = pa.CompressedInputStream(pa.py_buffer(file.read_bytes()), "zstd").read()
        assert [line.removesuffix("\n") for line in io.TextIOWrapper(io.BytesIO(text), "utf-8")] == LINES

    @pytest.mark.skipif(shutil.which("zstd") is None, reason="the zstd command is not installed")
    def test_the_zstd_command(self, file: Path) -> None:
        read = subprocess.run(["zstd", "-dc", file], capture_output=True, check=True)
        assert read.stdout.decode() == "".join(f"{line}\n" for line in LINES)

    def test_duckdb(self, file: Path) -> None:
        query = (
            "SELECT text FROM read_csv(?, columns={'text': 'VARCHAR'}, delim='\x01', quote='', escape='', header=false)"
        )
        assert [row[0] for row in duckdb.execute(query, [str(file)]).fetchall()] == LINES

    def test_polars(self, file: Path) -> None:
        read = pl.read_csv(file, has_header=False, separator="\x01", quote_char=None, new_columns=["text"])
        assert read["text"].to_list() == LINES
        assert pl.scan_lines(file).collect().to_series().to_list() == LINES

    def test_pandas(self, file: Path) -> None:
        text = pa.CompressedInputStream(pa.py_buffer(file.read_bytes()), "zstd").read()
        read = pd.read_csv(io.BytesIO(text), header=None, sep="\x01", quoting=csv.QUOTE_NONE, keep_default_na=False)
        assert read[0].to_list() == LINES


class TestFrames:
    def test_bytes_are_counted_without_line_ends(self) -> None:
        assert frame(["one", "два"])[1] == 3 + 6

    def test_a_slice_of_texts_is_a_frame_of_its_own(self) -> None:
        texts = pa.array(PHRASES[0]).slice(7, 20)
        content, _ = text_frame(texts, pa.array(range(20)))
        assert unpacked(content) == PHRASES[0][7:27]

    def test_the_same_lines_are_the_same_bytes(self) -> None:
        again = pa.concat_arrays([pa.array(PHRASES[0][:100]), pa.array(PHRASES[0][100:])])
        assert text_frame(again, pa.array(range(300)))[0] == frame(PHRASES[0])[0]


class TestLineBreaks:
    @pytest.mark.parametrize("sign", ["\n", "\r", "\r\n"])
    def test_a_phrase_with_one_is_refused_by_its_id(self, sign: str) -> None:
        with pytest.raises(LineBreakInPhrase, match="phrase 41 has a line break") as raised:
            frame(["A line.", f"Two{sign}lines.", "A line."], first_id=40)
        assert "two lines of the text file" in str(raised.value)
        assert not re.search(r"[\r\n]", str(raised.value))

    def test_a_long_one_is_shown_by_its_beginning(self) -> None:
        with pytest.raises(LineBreakInPhrase) as raised:
            frame(["\u202eword " * 5_000 + "\n"])
        assert len(str(raised.value)) < 700
        assert str(raised.value).isprintable()
