"""Short: the record of a release that had fewer unique phrases than its target, and which shards make up for it."""

from collections.abc import Collection
from itertools import islice
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from phrasemill.errors import RecordUnreadable
from phrasemill.night_lines import counted
from phrasemill.planning import format_shards, top_up_end
from phrasemill.release.errors import ReleaseShort
from phrasemill.release.keys import SHORT
from phrasemill.release.plan import ReleasePlan
from phrasemill.spec import CORPUS_DAG, CorpusSpec
from phrasemill.store.corpus_store import CorpusStore, in_parallel

MARGIN_PER_CENT = 10
"""More phrases than the yield so far asks for: later phrases repeat earlier ones a little more often."""


class Short(BaseModel):
    """What a version lacked when it was tried last; it lies under `ReleaseKeys.short`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    version: str
    plan: str
    """Digest of the plan that came out short."""
    at: AwareDatetime
    """When that plan was made."""
    target: int = Field(ge=1)
    unique: int = Field(ge=0)
    short_by: int = Field(ge=1)
    committed: int = Field(ge=1)
    """Phrases of the plan's shards, duplicates included."""
    near_duplicates: float | None
    """The setting that it was tried with: another one drops more or fewer."""
    shards: str
    """Those to write, in the words of `planning.format_shards`; fewer than are needed where the corpus has no more."""

    def error(self, corpus: str) -> ReleaseShort:
        """What to raise: by how much it is short, and how to go on."""
        if self.shards:
            how = f"Write shards {self.shards}: {how_to_write(corpus, self.shards)}; then release again"
        else:
            how = "No shard is left to write: raise oversample in the corpus file, so that it has more"
        return ReleaseShort(
            f"release {self.version} of {corpus} is short by {counted(self.short_by, 'phrase')}: of {self.committed:,} "
            f"committed {self.unique:,} are unique, the target is {self.target:,}. {how}. Or release what is there "
            "with --partial",
            short_by=self.short_by,
            shards=self.shards,
        )


def short_of(plan: ReleasePlan, spec: CorpusSpec, *, unique: int, committed: Collection[int]) -> Short:
    """The record of a plan with too few unique phrases.

    Args:
        plan: of the release.
        spec: the corpus's.
        unique: phrases left without duplicates, fewer than the target.
        committed: numbers of the shards that are committed by now.
    """
    short_by = plan.target - unique
    # Phrases to write are short_by / (unique / committed), and the margin: whole numbers, rounded up at the very end.
    phrases = short_by * plan.phrases * (100 + MARGIN_PER_CENT)
    shards = -(-phrases // (max(1, unique) * 100 * spec.shard_phrases))
    taken = frozenset(committed)
    free = (number for number in range(top_up_end(spec)) if number not in taken)
    return Short(
        version=plan.version,
        plan=plan.digest,
        at=plan.created_at,
        target=plan.target,
        unique=unique,
        short_by=short_by,
        committed=plan.phrases,
        near_duplicates=plan.settings.near_duplicates,
        shards=format_shards(list(islice(free, shards))),
    )


def latest_short(store: CorpusStore) -> Short | None:
    """The record of the release that came out short last, None if there is none.

    Raises:
        RecordUnreadable: one is not of this version of phrasemill.
    """
    keys = [f"{folder}{SHORT}" for folder in store.bucket.folders(f"{store.keys.root}/releases/")]
    found = [(key, content) for key, content in zip(keys, in_parallel(store.bucket.get, keys), strict=True) if content]
    return max((_read(store, key, content) for key, content in found), key=lambda short: short.at, default=None)


def read_short(store: CorpusStore, key: str) -> Short | None:
    """The record under a key, None if there is none.

    Raises:
        RecordUnreadable: it is not of this version of phrasemill.
    """
    content = store.bucket.get(key)
    return None if content is None else _read(store, key, content)


def how_to_write(corpus: str, shards: str) -> str:
    """The two ways to have shards written."""
    return f"`phrasemill run {corpus} --shards {shards!r}`, or trigger Dag {CORPUS_DAG}{corpus} with shards {shards!r}"


def _read(store: CorpusStore, key: str, content: bytes) -> Short:
    try:
        return Short.model_validate_json(content)
    except ValueError as error:
        raise RecordUnreadable(
            f"{store.url(key)}: is no record of a short release of this version of phrasemill; remove it, and release "
            "again"
        ) from error
