"""Wholeness: whether the packed files hold the phrases that the plan gives the release, each of them once.

It is counted anew from what packing left, file by file: memory holds the hashes of one file, and those of one of the
plan's parts of all hashes.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from phrasemill.release.errors import WorkMissing
from phrasemill.release.kept import KeptRows
from phrasemill.release.keys import numbered
from phrasemill.release.packed import Packed
from phrasemill.release.place import ReleasePlace

SAMPLED = ("phrase_id", "text", "text_hash", "template", "scene")
Ids = npt.NDArray[np.int64]


def read_sample(place: ReleasePlace, *, files: int) -> pa.Table:
    """Columns SAMPLED of the sampled phrases of all files, in the order of the files.

    Raises:
        WorkMissing: packing has not left them, or no file has any.
    """
    tables = [place.table(f"packed/sample-{file:05d}.parquet", columns=SAMPLED) for file in range(files)]
    if not sum(table.num_rows for table in tables):
        raise WorkMissing(
            f"release {place.plan.version}: packing has left no sample of {files} files; run the release again "
            "from its start"
        )
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def misplaced_ids(kept: KeptRows, files: Sequence[Packed], sampled: Ids, *, in_order: bool) -> int:
    """Places where ids are not as the plan has them. Pure.

    Sampled ids are of kept phrases and none comes twice. Files in the order of ids are dense as well: each begins with
    the kept phrase after the last one of the file before, and has all kept phrases up to its own last one.

    Args:
        kept: tells which phrases are.
        files: with their first and last ids.
        sampled: ids of the sampled phrases, in the order of the files.
        in_order: whether the release is in the order of ids.
    """
    faults = len(sampled) - len(np.unique(sampled)) + int(np.count_nonzero(~kept.contains(sampled)))
    ends = np.array([(file.first_id, file.last_id) for file in files])
    faults += int(np.count_nonzero(~kept.contains(ends)))
    if in_order:
        ranks, rows = kept.rank(ends), np.array([file.rows for file in files])
        faults += int(np.count_nonzero(ranks[:, 0] != np.cumsum(rows) - rows))
        faults += int(np.count_nonzero(ranks[:, 1] != np.cumsum(rows) - 1))
        faults += int(np.count_nonzero(np.diff(sampled) <= 0))
    return faults


def repeated_hashes(place: ReleasePlace, *, files: int) -> int:
    """Phrases whose text hash an earlier phrase of the release has, by all hashes."""
    parts = np.uint64(place.plan.cuts.exact_parts)
    repeats = 0
    for part in range(int(parts)):
        held = []
        for file in range(files):
            hashes = place.array(_hashes(file))
            held.append(hashes if parts == 1 else hashes[(hashes >> np.uint64(32)) * parts >> np.uint64(32) == part])
        together = np.concatenate(held)
        together.sort()
        repeats += int(np.count_nonzero(together[1:] == together[:-1]))
    return repeats


def uneven_files(place: ReleasePlace, files: Sequence[Packed]) -> int:
    """Files whose Parquet form, text form, hashes and counts have not the same number of rows."""
    put = {entry.path: entry.rows for entry in place.files()}
    uneven = 0
    for number, file in enumerate(files):
        names = (("data", ".parquet"), ("text", ".txt.zst"))
        rows = {put.get(numbered(folder, number, len(files), suffix=suffix)) for folder, suffix in names}
        uneven += rows | {len(place.array(_hashes(number)))} != {file.rows}
    return uneven


def _hashes(file: int) -> str:
    return f"packed/hashes-{file:05d}.npy"
