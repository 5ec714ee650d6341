"""Generated text at its worst, and a committed corpus that is made of it: for tests of whatever shows phrases."""

from typing import Any

from phrasemill.facts import Facts
from phrasemill.gate import check_shard
from phrasemill.planning import shard_of
from phrasemill.spec import CorpusSpec
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.quarantine import quarantine_shard
from tests.specs import make_spec, merged
from tests.tables import make_rows

ADDRESS = "https://example.invalid"
HOSTILE = [
    "<script>document.title = 'stolen'</script>",
    f'"><img src="{ADDRESS}/x.png" onerror="document.title = \'stolen\'">',
    "</style></title></bdi></textarea></main><h1>Mine</h1>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202eright to left\u2066 \x07\x1b[31m\u2028\ufeff",
    f'=HYPERLINK("{ADDRESS}","click")',
    "+1+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd",
    "-2+3",
    "W" * 10_240,
    "مرحبا (1) <b>",
    "$\\frac{1}{2}$ & &amp; &#60;script&#62;",
    f"<svg onload=fetch('{ADDRESS}')><a href=javascript:alert(1)>x</a>",
    "`${document.title = 'stolen'}` ']]>--><!--",
]
"""Script, markup, templates, direction and control characters, formulas, entities, and a word of 10 kB."""


def hostile_spec(**changes: Any) -> CorpusSpec:
    """The tiny corpus under a hostile title and a hostile model name."""
    hostile = {"title": HOSTILE[0], "model": {"name": HOSTILE[1]}, "price": {"currency": HOSTILE[5], "per_gpu_hour": 1}}
    return make_spec(**merged(hostile, changes))


def hostile_texts(count: int, *, shard: int = 0) -> list[str]:
    """So many hostile phrases, all different, and many of them nearly the same."""
    return [f"{HOSTILE[number % len(HOSTILE)]} {shard} {number}" for number in range(count)]


def hostile_facts(count: int) -> Facts:
    """Facts with hostile rejects; the time is fixed."""
    return Facts(
        accepted=count,
        rejects={HOSTILE[0][:40]: 3, "meta": len(HOSTILE)},
        examples={HOSTILE[0][:40]: [HOSTILE[0]], "meta": [text[:200] for text in HOSTILE]},
        prompt_tokens=1000,
        completion_tokens=900,
        seconds=60,
        engines=1,
        run_ids=["run-1"],
        pace=[(1_795_000_020.0, 20.0, 20), (1_795_000_060.0, 40.0, 40)],
    )


def commit_hostile_corpus(
    store: CorpusStore, *, shards: tuple[int, ...] = (0, 1), held: tuple[int, ...] = (2,)
) -> None:
    """Commit shards of hostile phrases, whatever the gate says of them, and put others into quarantine.

    Args:
        store: of `hostile_spec()`, in an empty bucket.
        shards: to commit.
        held: to quarantine, with a hostile reason.
    """
    store.record_spec()
    for number in (*shards, *held):
        shard = shard_of(store.spec, number)
        rows = make_rows(store.spec, shard, texts=hostile_texts(shard.rows, shard=number))
        facts = hostile_facts(shard.rows)
        verdict = check_shard(rows, spec=store.spec, shard=shard, facts=facts).model_dump(mode="json")
        if number in held:
            quarantine_shard(
                store, shard, rows, facts=facts, verdict=verdict, reason=HOSTILE[1], note=HOSTILE[4], run_id="run-1"
            )
        else:
            commit_shard(store, shard, rows, facts=facts, verdict=verdict, run_id="run-1")
