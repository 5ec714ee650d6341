"""Topping up: which shards make up for a short release, and when it is no use to ask for more.

Guarantee: a corpus whose phrases repeat too much is not written on and on. What was asked for is kept in the bucket,
and after MOST_ASKED different asks for one target a person has to decide.
"""

from pydantic import BaseModel, ConfigDict

from phrasemill.errors import RecordUnreadable
from phrasemill.planning import parse_shards, shard_ranges
from phrasemill.release.errors import ReleaseError
from phrasemill.release.short import Short
from phrasemill.store.corpus_store import CorpusStore

MOST_ASKED = 3
"""Each ask has a margin over the yield so far: a third one is rare, a fourth would say that the yield breaks down."""


class TopUpsExhausted(ReleaseError):
    """A release is still short after several top-ups, or no top-up shard is left; the message says what to do."""


class Ask(BaseModel):
    """Shards that were asked for, and what for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    target: int
    planned: int
    """Shards that the corpus file asked for then: more of them are a new beginning."""
    short_by: int
    shards: str


class _Asks(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    asks: tuple[Ask, ...] = ()


def to_write(store: CorpusStore, short: Short) -> list[int]:
    """The shards that a short release asks for, less those that are committed by now.

    Raises:
        TopUpsExhausted: no top-up shard is left to ask for.
        PlanError: it asks for shards that this corpus cannot have.
    """
    if not short.shards:
        raise TopUpsExhausted(
            f"release {short.version} of {store.spec.name} is short by {short.short_by:,} phrases, and no top-up shard "
            f"is left ({shard_ranges(store.spec)}): raise oversample in the corpus file, so that it has more shards"
        )
    committed = set(store.committed())
    return [number for number in parse_shards(store.spec, short.shards) if number not in committed]


def ask(store: CorpusStore, short: Short) -> list[int]:
    """Like `to_write`, for whoever has them written at once: notes that they were asked for.

    The same shards asked for again, because they were not written, count once.

    Raises:
        TopUpsExhausted: the same target was short MOST_ASKED times before, or no top-up shard is left.
        PlanError: it asks for shards that this corpus cannot have.
        RecordUnreadable: the record of earlier asks is not of this version of phrasemill.
    """
    numbers, spec = to_write(store, short), store.spec
    this = Ask(
        version=short.version,
        target=short.target,
        planned=spec.shard_count,
        short_by=short.short_by,
        shards=short.shards,
    )
    earlier = [one for one in asked(store) if (one.target, one.planned) == (this.target, this.planned)]
    earlier = [one for one in earlier if one.shards != this.shards]
    if len(earlier) >= MOST_ASKED:
        raise TopUpsExhausted(
            f"release {short.version} of {spec.name} is still short by {short.short_by:,} phrases after {MOST_ASKED} "
            f"top-ups (shards {'; '.join(one.shards for one in earlier)}): its phrases repeat too much. Look at "
            f"what is dropped (dropped.parquet of a --partial release), widen lexicons or templates in a new corpus, "
            f"lower target_phrases, or raise release.near_duplicates so that fewer are dropped; to write on all the "
            f"same, raise oversample"
        )
    content = _Asks(asks=(*earlier, this)).model_dump_json(indent=1)
    store.bucket.put(_key(store), content.encode(), content_type="application/json")
    return numbers


def asked(store: CorpusStore) -> tuple[Ask, ...]:
    """What was asked for so far, the earliest first; of one target, the last that was short.

    Raises:
        RecordUnreadable: the record is not of this version of phrasemill.
    """
    content = store.bucket.get(_key(store))
    try:
        return _Asks.model_validate_json(content).asks if content is not None else ()
    except ValueError as error:
        raise RecordUnreadable(
            f"{store.url(_key(store))}: is no record of top-ups of this version of phrasemill; remove it"
        ) from error


def _key(store: CorpusStore) -> str:
    return f"{store.keys.root}/releases/top-ups.json"
