"""A small release that is packed and waits for the corpus gate, in memory: 120 phrases unless a test wants others."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from phrasemill.facts import Facts
from phrasemill.planning import Shard
from phrasemill.release.deal import deal
from phrasemill.release.pack import files_of, pack
from phrasemill.release.place import ReleasePlace
from phrasemill.release.planning import plan_release
from phrasemill.release.steps import exact, gather, near, near_tasks, resolve, sketch
from phrasemill.store.commit import commit_shard
from tests.release.committing import memory_store
from tests.specs import make_spec, merged
from tests.tables import make_rows, sentences
from tests.verdicts import make_verdict

NOW = dt.datetime(2026, 11, 23, 6, 0, tzinfo=dt.UTC)
SHARD = 60
PLAIN: dict[str, Any] = {"target_phrases": 120, "oversample": 0.0}


def packed_release(texts: Sequence[str] | None = None, *, partial: bool = False, **overrides: Any) -> ReleasePlace:
    """Commit texts, 60 a shard, and do all steps up to packing.

    Phrases are in shards of 60; so many of them are wanted as there are texts, unless `overrides` says otherwise.
    """
    texts = list(texts or sentences(2 * SHARD))
    store = memory_store(make_spec(**merged(PLAIN | {"target_phrases": len(texts)}, overrides)))
    facts = Facts(accepted=SHARD, rejects={"echo": 3}, prompt_tokens=500, completion_tokens=400, seconds=2.0)
    for number in range(len(texts) // SHARD):
        shard = Shard(number, number * SHARD, SHARD)
        rows = make_rows(store.spec, shard, texts=texts[shard.first_id : shard.first_id + SHARD])
        verdict = make_verdict().model_dump(mode="json")
        commit_shard(store, shard, rows, facts=facts, verdict=verdict, run_id="night")
    place = ReleasePlace(store, plan_release(store, "v1", partial=partial, now=NOW))
    _find_duplicates(place)
    if place.plan.settings.order == "shuffled":
        for span in range(len(place.plan.cuts.spans)):
            deal(place, span)
    for file in files_of(place):
        pack(place, file)
    return place


def _find_duplicates(place: ReleasePlace) -> None:
    cuts = place.plan.cuts
    spans = range(len(cuts.spans))
    for span in spans:
        sketch(place, span)
    for part in range(cuts.exact_parts):
        exact(place, part)
    for task in near_tasks(place.plan):
        near(place, *task)
    for span in spans if cuts.near_groups else ():
        gather(place, span)
    resolve(place)
