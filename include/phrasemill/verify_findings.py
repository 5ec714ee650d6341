"""What `phrasemill verify` finds: one finding says what is wrong, where, and how it is mended."""

import datetime as dt
from typing import Literal

from pydantic import BaseModel, ConfigDict

from phrasemill.planning import format_shards

Kind = Literal[
    "manifest",
    "fingerprint",
    "spec",
    "data_gone",
    "data_damaged",
    "rows",
    "verdict",
    "quarantine",
    "orphan",
    "staging",
    "probe",
    "upload",
    "stray",
]
MENDED = frozenset({"spec", "data_gone", "verdict", "orphan", "staging", "probe", "upload"})
"""What --repair mends; the rest needs a person, since committed data would be lost."""
LITTER = frozenset({"orphan", "probe", "upload"})
"""What work under way leaves for a moment, and a killed worker for good: only its age tells the two apart."""
LITTER_AGE = dt.timedelta(days=1)
"""A shard takes minutes, and its commit seconds: what is older than a day belongs to nobody who is still at work."""


class Finding(BaseModel):
    """One thing that is wrong."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    what: str
    where: str
    """An s3:// address."""
    mend: str
    """What to do."""
    shard: int | None = None
    key: str = ""
    """Of the object, where --repair mends it."""
    upload_id: str = ""
    """Of an unfinished upload."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.what}; {self.mend}"


class Report(BaseModel):
    """A corpus as its bucket shows it."""

    corpus: str
    fingerprint: str
    deep: bool
    shards: int
    """Of the whole corpus."""
    committed: int
    """Of `shards`."""
    top_ups: list[int] = []
    """Committed shards after those of the corpus file; they are looked at like all others."""
    phrases: int
    """Rows of the committed shards, counted in their data."""
    missing: list[int]
    """Shards without a manifest: to be written, or being written."""
    findings: list[Finding]
    waiting: list[Finding]
    """Litter younger than LITTER_AGE: perhaps of work under way. No fault yet."""
    unchecked: list[str]
    """What the server would not show, in words."""
    bytes_read: int
    seconds: float

    @property
    def whole(self) -> bool:
        """Whether all that is committed is there and right, and nothing else lies about."""
        return not self.findings

    def summary(self) -> str:
        """One line."""
        state = "whole" if self.whole else f"{len(self.findings)} findings"
        parts = [
            f"{self.corpus}: {state}",
            f"{self.committed:,} of {self.shards:,} shards committed{self._top_ups()}, {self.phrases:,} phrases",
            f"{self.bytes_read / 1e6:,.1f} MB read in {self.seconds:.1f} s{', every row recomputed' * self.deep}",
        ]
        if self.missing:
            parts.insert(2, f"{len(self.missing):,} to write: {format_shards(self.missing)}")
        return "; ".join(parts)

    def _top_ups(self) -> str:
        return f" and top-up shards {format_shards(self.top_ups)}" if self.top_ups else ""
