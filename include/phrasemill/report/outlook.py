"""Outlook: what is left of a corpus and when it will be done, from what some of its shards took. Pure."""

import datetime as dt
from collections.abc import Sequence

from phrasemill.forecast.gathering import evidence_of
from phrasemill.manifest import Manifest, Totals
from phrasemill.planning import nights_begin, nights_needed
from phrasemill.report.summary import Outlook
from phrasemill.spec import CorpusSpec
from phrasemill.store.shard_index import ShardEntry


def outlook_of(
    spec: CorpusSpec, manifests: Sequence[Manifest], *, committed: Totals, now: dt.datetime
) -> Outlook | None:
    """What is left, at the rate of these shards; None where nothing is.

    Args:
        spec: the corpus.
        manifests: of the shards whose rate is taken: a night's, or all.
        committed: the whole corpus so far, without top-up shards.
        now: timezone-aware.
    """
    shards = spec.shard_count - committed.shards
    if shards <= 0:
        return None
    phrases = shards * spec.shard_phrases
    entries = [ShardEntry.of(manifest, etag="") for manifest in manifests]
    rate = evidence_of(entries, spec=spec).phrases_per_s
    scheduled = nights_begin(spec, nights_needed(spec))
    return Outlook(
        phrases=phrases,
        shards=shards,
        phrases_per_second=rate.value if rate else None,
        seconds=rate.value.over(phrases) if rate else None,
        basis=rate.source if rate else "no committed shard was timed",
        nights=-(-shards // spec.schedule.shards_per_night) if spec.schedule.cron else None,
        last_night=scheduled[-1] if scheduled and scheduled[-1] > now else None,
    )
