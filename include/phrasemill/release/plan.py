"""ReleasePlan: which shards a release is made of, and how its work is cut up. Written once, before all else.

Every step reads the plan, so a release that was killed goes on from the same shards, settings and moment, and the
same bytes come out.
"""

import hashlib
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from phrasemill.release_settings import ReleaseSettings

BANDS = 8
"""Keys a phrase has for finding its near-duplicates. At 10,000,000 phrases 8 keys find 99.5 % of those with one or two
words of sixteen changed, 6 keys 98.6 %, 4 keys 95.7 %."""


class ReleaseShard(BaseModel):
    """A committed shard of the release."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shard: int
    first_id: int
    rows: int
    data_key: str
    data_sha256: str
    data_bytes: int


class Cuts(BaseModel):
    """Into how many pieces each large step is cut, by what one piece takes of memory.

    They change nothing but which phrases the index of words has as samples.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    spans: tuple[tuple[int, int], ...]
    """Runs of consecutive shards, as places in `ReleasePlan.shards`: [first, last)."""
    exact_parts: int = Field(ge=1)
    """Parts of the text hashes, by their first bits."""
    near_groups: tuple[tuple[int, ...], ...]
    """Bands that one task looks at, one after the other."""
    near_parts: int = Field(ge=1)
    """Parts of a band's keys, by their first bits."""
    link_ranges: int = Field(ge=1)
    """Ranges of phrase ids that links are written by; each is a file."""


class ReleasePlan(BaseModel):
    """What one version of a release is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    corpus: str
    version: str
    partial: bool
    """Whether it may hold fewer phrases than the target."""
    created_at: AwareDatetime
    """Stands in for 'now' in every file of the release."""
    fingerprint: str
    target: int = Field(ge=1)
    """Phrases it holds at most."""
    shards: tuple[ReleaseShard, ...]
    settings: ReleaseSettings
    cuts: Cuts

    @property
    def phrases(self) -> int:
        """Phrases of its shards, duplicates included."""
        return sum(shard.rows for shard in self.shards)

    @property
    def last_id(self) -> int:
        """The highest phrase id of its shards."""
        return max(shard.first_id + shard.rows for shard in self.shards) - 1

    def span(self, number: int) -> tuple[ReleaseShard, ...]:
        """The shards of a span."""
        first, last = self.cuts.spans[number]
        return self.shards[first:last]

    def link_range(self, number: int) -> tuple[int, int]:
        """The phrase ids of a link range: [first, last)."""
        ids = self.last_id + 1
        return number * ids // self.cuts.link_ranges, (number + 1) * ids // self.cuts.link_ranges

    @property
    def digest(self) -> str:
        """12 hex digits of a sha256 over the plan: work of another plan is never taken for its own."""
        return hashlib.sha256(self.as_json()).hexdigest()[:12]

    def as_json(self) -> bytes:
        """The plan as it lies in the bucket."""
        return self.model_dump_json(indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Read a plan.

        Raises:
            ValueError: it is none of this version.
        """
        return cls.model_validate_json(content)
