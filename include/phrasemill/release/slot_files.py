"""What packing leaves for the links: a table a lexicon of which phrase has which lexeme, grown with each row group.

Held as Parquet from the start, a phrase and lexeme takes about one byte, where a table in memory takes 12.
"""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.release.place import ReleasePlace
from phrasemill.release.slots import SLOTS, slots_by_lexicon

ENCODINGS = {"phrase_id": "DELTA_BINARY_PACKED"}
"""Instead of pyarrow's dictionaries, a third of the bytes and of the time."""


class SlotFiles:
    """The tables of one file's rows."""

    def __init__(self) -> None:
        self._writers = dict[str, pq.ParquetWriter]()
        self._contents = dict[str, io.BytesIO]()

    def add(self, rows: pa.Table) -> None:
        """Take in rows with the columns phrase_id and slots; each table gets a row group."""
        for lexicon, table in slots_by_lexicon(rows).items():
            if lexicon not in self._writers:
                content = self._contents[lexicon] = io.BytesIO()
                self._writers[lexicon] = pq.ParquetWriter(
                    content,
                    SLOTS,
                    compression="zstd",
                    compression_level=1,
                    use_dictionary=["lexeme"],
                    column_encoding=ENCODINGS,
                )
            self._writers[lexicon].write_table(table)

    def leave(self, place: ReleasePlace, file: int) -> None:
        """Leave them for later steps; nothing can be taken in any more."""
        for lexicon in sorted(self._writers):
            self._writers.pop(lexicon).close()
            place.put_work(f"slots/{lexicon}/file-{file:05d}.parquet", self._contents.pop(lexicon).getvalue())
