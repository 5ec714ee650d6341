"""A whole release in one process: its steps in order, each over as many pieces at once as cores and memory allow.

Every step finds what it left itself, so a release that was killed at any point goes on from there. Two processes may
make the same release: both come to the same end, since the first that is done removes what the other would go on with.
"""

import ctypes
import datetime as dt
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from phrasemill.release import deal, judge, link_steps, pack, publish, steps
from phrasemill.release.cutting import DEFAULT_MEMORY, EXACT_BYTES, NEAR_BYTES, SPAN_BYTES
from phrasemill.release.errors import ReleaseExists, WorkMissing
from phrasemill.release.manifest import ReleaseManifest, read_manifest
from phrasemill.release.place import ReleasePlace
from phrasemill.release.plan import ReleasePlan
from phrasemill.release.planning import plan_release, refuse_finished
from phrasemill.release.short import read_short
from phrasemill.store.corpus_store import CorpusStore

FOR_PIECES = 0.5
"""Of the memory, what pieces that are worked on at once may take together; the rest is for Python."""
DATA_BYTES = 80
"""Of a committed phrase as long as planning reckons with, compressed."""
FILE_COPIES = 4
"""What packing holds of a file: the table twice, once more while it is read back, and its text."""
RING_BYTES, RING_PHRASES = 56, link_steps.PART_ROWS
"""What a phrase takes while rings are made, and of how many they are made at once."""

OnStep = Callable[[str, int, int], None]
"""Told of a step's name, how many of its pieces are done, and how many there are: at its start and after each."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a release."""

    name: str
    work: Callable[..., Any]
    """Takes the place of the release and a piece."""
    pieces: Callable[[ReleasePlace], Sequence[tuple[Any, ...]]] = lambda _: [()]
    """What the step is done for, once the steps before it are done; none where it is not needed."""
    takes: Callable[[ReleasePlan], int] = lambda _: 1
    """About how many bytes of memory one piece takes, where that is much."""


def _span_bytes(plan: ReleasePlan) -> int:
    spans = [plan.span(number) for number in range(len(plan.cuts.spans))]
    return SPAN_BYTES * max(sum(max(shard.rows, shard.data_bytes // DATA_BYTES) for shard in span) for span in spans)


def _spans(place: ReleasePlace) -> list[tuple[int]]:
    return [(span,) for span in range(len(place.plan.cuts.spans))]


def _spans_if_near(place: ReleasePlace) -> list[tuple[int]]:
    return _spans(place) if place.plan.cuts.near_groups else []


def _spans_if_shuffled(place: ReleasePlace) -> list[tuple[int]]:
    return _spans(place) if place.plan.settings.order == "shuffled" else []


STEPS = (
    Step("sketch", steps.sketch, _spans, _span_bytes),
    Step(
        "exact",
        steps.exact,
        lambda place: [(part,) for part in range(place.plan.cuts.exact_parts)],
        lambda plan: plan.phrases * EXACT_BYTES // plan.cuts.exact_parts,
    ),
    Step(
        "near",
        steps.near,
        lambda place: steps.near_tasks(place.plan),
        lambda plan: plan.phrases * NEAR_BYTES // plan.cuts.near_parts,
    ),
    Step("gather", steps.gather, _spans_if_near, _span_bytes),
    Step("resolve", steps.resolve),
    Step("deal", deal.deal, _spans_if_shuffled, _span_bytes),
    Step(
        "pack",
        pack.pack,
        lambda place: [(number,) for number in pack.files_of(place)],
        lambda plan: FILE_COPIES * min(plan.settings.file_bytes, sum(shard.data_bytes for shard in plan.shards)),
    ),
    Step(
        "ring",
        link_steps.ring,
        lambda place: [(lexicon,) for lexicon in link_steps.lexicons_of(place)],
        lambda plan: RING_BYTES * min(plan.target, plan.phrases, RING_PHRASES),
    ),
    Step("link", link_steps.link_file, lambda place: [(part,) for part in range(place.plan.cuts.link_ranges)]),
    Step("index", link_steps.index),
    Step("judge", judge.judge),
)
"""All between the plan and the publication, in their order."""


def run_release(
    store: CorpusStore,
    version: str,
    *,
    partial: bool = False,
    memory: int = DEFAULT_MEMORY,
    workers: int | None = None,
    now: dt.datetime | None = None,
    on_step: OnStep | None = None,
) -> ReleaseManifest:
    """Make and publish a version.

    Args:
        store: the corpus's.
        version: such as v1.
        partial: release what is committed, though it may be less than the target.
        memory: bytes that the process may take; it changes no result.
        workers: threads at most; by default as many as cores, and two at least. Fewer work where memory is short.
        now: the release's date; by default this moment, whole seconds.
        on_step: told of the steps as they go; called in this thread.

    Raises:
        NotCovered, ReleaseExists, ReleaseQuarantined, ReleaseShort: see `plan_release`, `resolve` and `judge`.
        StoreError: the bucket refuses, does not answer, or holds damaged data.
    """
    tell = on_step or (lambda _name, _done, _of: None)
    tell("plan", 0, 1)
    place = ReleasePlace(store, plan_release(store, version, partial=partial, memory=memory, now=now))
    tell("plan", 1, 1)
    most = workers or max(2, os.cpu_count() or 2)
    try:
        for step in STEPS:
            _do(step, place, threads=threads_for(step, place.plan, memory=memory, most=most), tell=tell)
        tell("publish", 0, 1)
        manifest = publish.publish(place)
    except (WorkMissing, ReleaseExists):
        found = _published_elsewhere(place)
        if found is None:
            raise
        manifest = found
    tell("publish", 1, 1)
    return manifest


def threads_for(step: Step, plan: ReleasePlan, *, memory: int, most: int) -> int:
    """How many pieces of a step are worked on at once: as many as memory holds, from 1 to `most`."""
    return max(1, min(most, int(memory * FOR_PIECES) // max(1, step.takes(plan))))


def _do(step: Step, place: ReleasePlace, *, threads: int, tell: OnStep) -> None:
    pieces = step.pieces(place)
    if not pieces:
        return
    tell(step.name, 0, len(pieces))
    with ThreadPoolExecutor(threads) as pool:
        running = pool.map(lambda piece: step.work(place, *piece), pieces)
        for done, _ in enumerate(running, 1):
            tell(step.name, done, len(pieces))
    _give_back_memory()


def _give_back_memory() -> None:
    """Return to the system what a step has freed: else 0.3 GB of it stay, and the next step comes on top of that."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim:
        trim(0)


def _published_elsewhere(place: ReleasePlace) -> ReleaseManifest | None:
    """The manifest, if another process has published this very release meanwhile; None if it has come to no end.

    Raises:
        ReleaseShort, ReleaseQuarantined, ReleaseExists: the end that it has come to there.
    """
    store, plan = place.store, place.plan
    standing, short = read_manifest(store, plan.version), read_short(store, place.keys.short)
    if standing and standing.plan_digest == plan.digest:
        return publish.publish(place)  # which clears up what both have left
    if short and short.plan == plan.digest:
        raise short.error(plan.corpus)
    refuse_finished(store, plan.version)
    return None
