"""A small committed corpus with duplicates planted in it, for tests of releases."""

import datetime as dt

from phrasemill.facts import Facts
from phrasemill.gate import check_shard
from phrasemill.planning import shard_of
from phrasemill.spec import CorpusSpec
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore
from tests.specs import make_spec
from tests.tables import make_rows, sentences

NOW = dt.datetime(2026, 11, 23, 6, 0, tzinfo=dt.UTC)
SHARDS = 6
EXACT, NEAR = {70: 3, 130: 3, 200: 65}, {75: 5, 250: 90}
"""Phrase ids, each with the id of the earlier phrase that it repeats or is like."""


def release_spec(**changes: object) -> CorpusSpec:
    """The tiny corpus: 300 phrases wanted, 360 written."""
    return make_spec(**({"target_phrases": 300, "oversample": 0.2, "release": {"rare_lexeme_share": 0.5}} | changes))


def planted_texts() -> list[str]:
    """360 sentences, with EXACT and NEAR among them."""
    texts = sentences(SHARDS * 60)
    for later, earlier in EXACT.items():
        texts[later] = texts[earlier].upper() if later % 2 else texts[earlier]
    for later, earlier in NEAR.items():
        words = texts[earlier].split()
        texts[later] = " ".join([*words[:5], "elsewhere", *words[6:]])
    return texts


def commit_corpus(store: CorpusStore, *, texts: list[str] | None = None, shards: int = SHARDS) -> None:
    """Commit the shards, with the verdict of a real gate on the first of them."""
    texts = texts or planted_texts()
    facts = Facts(
        accepted=60,
        rejects={"too_short": 4},
        prompt_tokens=6400,
        completion_tokens=1600,
        seconds=12.0,
        started_at=NOW - dt.timedelta(hours=8),
        finished_at=NOW - dt.timedelta(hours=8) + dt.timedelta(seconds=12),
        engines=1,
        run_ids=["night"],
    )
    verdict = None
    for number in range(shards):
        shard = shard_of(store.spec, number)
        rows = make_rows(store.spec, shard, texts=texts[number * 60 : (number + 1) * 60])
        verdict = verdict or check_shard(rows, spec=store.spec, shard=shard, facts=facts).model_dump(mode="json")
        commit_shard(store, shard, rows, facts=facts, verdict=verdict, run_id="night")
