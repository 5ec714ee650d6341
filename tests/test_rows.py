import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phrasemill.errors import StagingIncomplete
from phrasemill.prompts import PromptBook
from phrasemill.rows import METADATA_KEY, SCHEMA, build_rows, decode_rows, encode_rows, join_rows
from phrasemill.rules import text_hash
from tests.specs import make_spec


def rows(first_id: int = 0, count: int = 20, *, words: str = "The bell rang over the pier") -> pa.Table:
    texts = [f"{words}, time {first_id + k}." for k in range(count)]
    return build_rows(
        PromptBook(make_spec()),
        language="en",
        first_id=first_id,
        texts=texts,
        hashes=[text_hash(text) for text in texts],
        attempts=np.arange(count, dtype=np.int64) % 3,
    )


class TestBuilding:
    def test_the_columns_are_the_contracts(self) -> None:
        assert rows().schema.equals(SCHEMA)
        assert SCHEMA.names == [
            "phrase_id",
            "text",
            "text_hash",
            "template",
            "scene",
            "slots",
            "lang",
            "chars",
            "attempt",
        ]

    def test_ids_are_dense_from_the_first_one(self) -> None:
        assert rows(first_id=40).column("phrase_id").to_pylist() == list(range(40, 60))

    def test_coordinates_are_those_of_id_and_attempt(self) -> None:
        book, table = PromptBook(make_spec()), rows(first_id=40)
        for row in table.to_pylist():
            prompt = book.prompt(row["phrase_id"], row["attempt"])
            assert (row["template"], row["scene"], dict(row["slots"])) == (prompt.template, prompt.scene, prompt.slots)

    def test_chars_count_characters_not_bytes(self) -> None:
        table = rows(words="Гавань спала")
        assert table.column("chars").to_pylist() == [len(text) for text in table.column("text").to_pylist()]
        assert table.column("chars")[0].as_py() < len(table.column("text")[0].as_py().encode())

    def test_hashes_use_all_64_bits(self) -> None:
        table = build_rows(
            PromptBook(make_spec()),
            language="en",
            first_id=0,
            texts=["A.", "B."],
            hashes=[2**64 - 1, 0],
            attempts=np.zeros(2, dtype=np.int64),
        )
        assert table.column("text_hash").to_pylist() == [2**64 - 1, 0]

    def test_ids_near_ten_million_are_kept(self) -> None:
        assert rows(first_id=9_999_980).column("phrase_id")[-1].as_py() == 9_999_999


class TestParquet:
    def test_it_survives(self) -> None:
        table, metadata = decode_rows(encode_rows(rows(), {"fingerprint": "ab", "é": [1]}), source="block")
        assert table.equals(rows())
        assert metadata == {"fingerprint": "ab", "é": [1]}

    def test_without_metadata_there_is_none(self) -> None:
        assert decode_rows(encode_rows(rows()), source="block")[1] == {}

    def test_the_same_rows_give_the_same_bytes(self) -> None:
        metadata = {"b": 1, "a": 2}
        assert encode_rows(rows(), metadata) == encode_rows(rows(), dict(reversed(metadata.items())))

    def test_blocks_are_joined_in_their_order(self) -> None:
        parts = [decode_rows(encode_rows(rows(start)), source="block")[0] for start in (0, 20, 40)]
        joined = join_rows(parts)
        assert joined.schema.equals(SCHEMA)
        assert joined.column("phrase_id").to_pylist() == list(range(60))
        assert joined.to_pylist() == [row for part in parts for row in part.to_pylist()]

    def test_joining_depends_on_the_rows_alone(self) -> None:
        parts = [decode_rows(encode_rows(rows(start)), source="block")[0] for start in (0, 20)]
        assert encode_rows(join_rows(parts)) == encode_rows(join_rows([rows(0), rows(20)]))

    def test_no_rows_are_a_table_too(self) -> None:
        table, _ = decode_rows(encode_rows(rows().slice(0, 0)), source="block")
        assert table.num_rows == 0


class TestDamage:
    @pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all", b"PAR1" + b"\0" * 100 + b"PAR1"])
    def test_what_is_no_parquet_is_refused(self, content: bytes) -> None:
        with pytest.raises(StagingIncomplete, match=r"^staging/00001/0002\.parquet: is damaged \("):
            decode_rows(content, source="staging/00001/0002.parquet")

    @pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
    def test_a_cut_file_is_refused(self, kept: float) -> None:
        content = encode_rows(rows(count=200))
        with pytest.raises(StagingIncomplete, match="is damaged"):
            decode_rows(content[: int(len(content) * kept)], source="block")

    def test_a_flipped_byte_is_refused_or_changes_no_row(self) -> None:
        content = encode_rows(rows(count=200), {"fingerprint": "ab"})
        whole, _ = decode_rows(content, source="block")
        dice = random.Random(5)
        refused = 0
        for _ in range(300):
            damaged = bytearray(content)
            damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
            try:
                table, _ = decode_rows(bytes(damaged), source="block")
            except StagingIncomplete:
                refused += 1
            else:
                assert table.equals(whole)
        assert refused > 100

    def test_other_columns_are_refused(self) -> None:
        other = pa.BufferOutputStream()
        pq.write_table(rows().drop_columns(["attempt"]), other)
        with pytest.raises(StagingIncomplete, match="block: has other columns"):
            decode_rows(bytes(other.getvalue()), source="block")

    def test_metadata_that_is_no_json_is_refused(self) -> None:
        other = pa.BufferOutputStream()
        pq.write_table(rows().replace_schema_metadata({METADATA_KEY: b"{broken"}), other)
        with pytest.raises(StagingIncomplete, match="is damaged"):
            decode_rows(bytes(other.getvalue()), source="block")
