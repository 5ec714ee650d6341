"""Tables: DuckDB over the Parquet files of one release, and which of them a look-up has to open.

DuckDB is shut in: it reads the files of the release and nothing else, loads no extension, writes nowhere, and takes
values only as bound parameters. Files are chosen by the least and greatest value of a column, row groups within them
by DuckDB itself: in id order a look-up reads one row group; in shuffled order it reads the whole column that it asks
for, and then the row groups that have what it found.
"""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from phrasemill.browse.errors import ReleaseUnreadable
from phrasemill.browse.files import ReleaseFiles

MEMORY = "256MB"
THREADS = 4
"""Reads from a bucket wait more than they work."""
WHERE_IN_STATEMENT = re.compile(r"\s*LINE \d+:")

RANGES = """
select file_name, row_group_id, row_group_num_rows, cast(stats_min_value as bigint), cast(stats_max_value as bigint)
from parquet_metadata(?) where path_in_schema = ? order by file_name, row_group_id
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One file: its address, its rows, and the least and greatest value of the column that was asked about."""

    address: str
    rows: int
    first: int
    last: int


class Tables:
    """The tables of one release. Several threads may ask at once.

    Args:
        files: where they lie.
        memory: how much DuckDB may take, as it writes sizes.
        threads: how many it may use.
    """

    def __init__(self, files: ReleaseFiles, *, memory: str = MEMORY, threads: int = THREADS) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._parts: dict[tuple[str, ...], list[Part]] = {}
        self._connection = duckdb.connect(config={"memory_limit": memory, "threads": threads})
        allowed = files.attach(self._connection)
        for setting in (
            "parquet_metadata_cache = true",
            "temp_directory = ''",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "python_enable_replacements = false",
        ):
            self._connection.execute(f"set {setting}")
        quoted = ", ".join("'" + address.replace("'", "''") + "'" for address in allowed)
        self._connection.execute(f"set allowed_paths = [{quoted}]")
        self._connection.execute("set enable_external_access = false")
        self._connection.execute("set lock_configuration = true")

    def rows(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """All rows of a statement.

        Raises:
            StoreError: what the bucket said, where it is at fault.
            ReleaseUnreadable: a file is gone or damaged.
        """
        try:
            with self._lock:
                cursor = self._connection.cursor()
            with cursor:
                found: list[tuple[Any, ...]] = cursor.execute(statement, list(values)).fetchall()
        except duckdb.Error as error:
            if why := self._files.why():
                raise why from error
            said = " ".join(WHERE_IN_STATEMENT.split(str(error))[0].split())[:300]
            raise ReleaseUnreadable(f"{self._files.place}: cannot be read as a release ({said})") from error
        return found

    def parts(self, paths: Sequence[str], column: str) -> list[Part]:
        """The files with their rows and their range of a column of whole numbers; footers are read once."""
        known = (column, *paths)
        if known not in self._parts:
            addresses = [self._files.address(path) for path in paths]
            groups = self.rows(RANGES, [addresses, column])
            by_file: dict[str, list[tuple[int, int, int]]] = {address: [] for address in addresses}
            for address, _, rows, first, last in groups:
                by_file.setdefault(address, []).append((rows, first, last))
            self._parts[known] = [_part(address, found) for address, found in by_file.items() if found]
        return self._parts[known]

    def holding(self, paths: Sequence[str], column: str, values: Sequence[int]) -> list[str]:
        """Addresses of those files whose range of a column has one of these values."""
        return [
            part.address
            for part in self.parts(paths, column)
            if any(part.first <= value <= part.last for value in values)
        ]

    def address(self, path: str) -> str:
        """What DuckDB calls a file."""
        return self._files.address(path)


def _part(address: str, groups: Sequence[tuple[int, int, int]]) -> Part:
    rows, firsts, lasts = zip(*groups, strict=True)
    return Part(address, sum(rows), min(firsts), max(lasts))
