"""ReleasePlace: a release being made, and the objects that its steps leave in the bucket.

Every step takes a ReleasePlace and leaves all that the next one needs in the bucket, so any worker can take any step.
What a step leaves follows from the plan alone: doing it again writes the same bytes.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from phrasemill.release.errors import ReleaseExists, WorkMissing
from phrasemill.release.keys import ReleaseKeys
from phrasemill.release.plan import ReleasePlan
from phrasemill.store.bucket import BINARY
from phrasemill.store.corpus_store import CorpusStore, in_parallel

PARQUET = "application/vnd.apache.parquet"
FILES = "files/"


class FileEntry(BaseModel):
    """A file of a release."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    """Relative to the release, such as data/train-00000-of-00008.parquet."""
    bytes: int = Field(ge=0)
    sha256: str
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class ReleasePlace:
    """A corpus's bucket and the plan of one version."""

    store: CorpusStore
    plan: ReleasePlan

    @property
    def keys(self) -> ReleaseKeys:
        """Where the release lies."""
        return ReleaseKeys.of(self.store.keys.root, self.plan.version)

    def has_work(self, name: str) -> bool:
        """Whether a step has left this."""
        return self.store.bucket.entry(self._work(name)) is not None

    def put_work(self, name: str, content: bytes) -> None:
        """Leave something for later steps."""
        self.store.bucket.put(self._work(name), content)

    def work(self, name: str) -> bytes:
        """What an earlier step has left.

        Raises:
            WorkMissing: it has not.
        """
        content = self.store.bucket.get(self._work(name))
        if content is None:
            raise WorkMissing(
                f"{self.store.url(self._work(name))} is not there: an earlier step of release {self.plan.version} has "
                "not been done, or has been cleared up; run the release again from its start"
            )
        return content

    def work_names(self, prefix: str) -> list[str]:
        """Names of what steps have left under a prefix, in order."""
        start = len(self._work(""))
        return [entry.key[start:] for entry in self.store.bucket.entries(self._work(prefix))]

    def put_json(self, name: str, value: Any) -> None:  # noqa: ANN401
        """Leave a JSON value."""
        self.put_work(name, json.dumps(value, sort_keys=True, ensure_ascii=False).encode())

    def json(self, name: str) -> Any:  # noqa: ANN401
        """A JSON value that was left; raises WorkMissing."""
        return json.loads(self.work(name))

    def put_array(self, name: str, array: npt.NDArray[Any]) -> None:
        """Leave an array."""
        sink = io.BytesIO()
        np.save(sink, array, allow_pickle=False)
        self.put_work(name, sink.getvalue())

    def array(self, name: str) -> npt.NDArray[Any]:
        """An array that was left, not to be written to; raises WorkMissing."""
        content = self.work(name)
        reader = io.BytesIO(content)
        version = np.lib.format.read_magic(reader)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, kind = header(reader)
        flat = np.frombuffer(content, kind, offset=reader.tell())
        return flat.reshape(shape, order="F" if fortran else "C")

    def put_table(self, name: str, table: pa.Table) -> None:
        """Leave a table."""
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", compression_level=1)
        self.put_work(name, sink.getvalue().to_pybytes())

    def table(self, name: str, *, columns: Sequence[str] | None = None) -> pa.Table:
        """A table that was left; raises WorkMissing."""
        return pq.read_table(pa.BufferReader(self.work(name)), columns=None if columns is None else list(columns))

    def put_file(self, path: str, content: bytes, *, rows: int | None = None, content_type: str = BINARY) -> FileEntry:
        """Put a file of the finished release, read it back, and note it for the manifest.

        Raises:
            StoreUnavailable: it does not read back as it was written.
            ReleaseExists: the version is published, and its file has other bytes.
        """
        key, entry = self.keys.file(path), entry_of(path, content, rows=rows)
        if not self._is_published(entry):
            self.store.bucket.put(key, content, content_type=content_type)
        self.store.refuse_unlike(key, content)
        self.put_work(f"{FILES}{path}.json", entry.model_dump_json().encode())
        return entry

    def files(self) -> list[FileEntry]:
        """The files put so far, by their paths."""
        contents = in_parallel(self.work, self.work_names(FILES))
        return sorted((FileEntry.model_validate_json(content) for content in contents), key=lambda entry: entry.path)

    def _is_published(self, entry: FileEntry) -> bool:
        """Whether the version is published with this very file.

        Who makes the same release besides may read work that is being cleared up, and make other files of what is
        left. Clearing up begins after the manifest was put, so whoever has read too little finds the manifest here.

        Raises:
            ReleaseExists: it is published without it.
        """
        content = self.store.bucket.get(self.keys.manifest)
        if content is None:
            return False
        try:
            files = json.loads(content)["files"]
        except (ValueError, KeyError, TypeError):
            files = ()
        if entry.model_dump(mode="json") in files:
            return True
        raise ReleaseExists(
            f"release {self.plan.version} of {self.plan.corpus} was published meanwhile "
            f"({self.store.url(self.keys.manifest)}) and is never overwritten; nothing is left to do for this version"
        )

    def _work(self, name: str) -> str:
        return self.keys.work(self.plan.digest, name)


def entry_of(path: str, content: bytes, *, rows: int | None = None) -> FileEntry:
    """The entry of a file with this content."""
    return FileEntry(path=path, bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), rows=rows)
