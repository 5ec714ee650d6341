"""Gathers what a dry run needs: a look at the corpus's bucket, and what is spent of its budget. Asks no engine."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from phrasemill.account import account_root
from phrasemill.allowance import spent
from phrasemill.dry_run.estimate import Estimate, nights_for
from phrasemill.dry_run.figures import Asking, Budget, DryRun, Rest
from phrasemill.forecast.calibration import read_calibration
from phrasemill.forecast.gathering import evidence_of
from phrasemill.planning import shard_of
from phrasemill.snapshot import Snapshot, take_snapshot
from phrasemill.spec import CorpusSpec

if TYPE_CHECKING:
    from phrasemill.engines.backend import Backend
    from phrasemill.steps import Workplace


def dry_run(place: "Workplace", numbers: Sequence[int], *, backend: "Backend | None" = None) -> DryRun:
    """What the shards among these that have no manifest will take.

    Without a backend, which only asking finds, a corpus with limits is reckoned as one that is asked prompt by prompt,
    and another as one that is asked in lists.

    Raises:
        PlanError: there is no such shard.
        FingerprintMismatch: committed work is of another version of the corpus file.
        ForecastError: the book cannot tell.
        StoreError: the bucket cannot be read.
    """
    spec = place.limited_spec
    shards = [shard_of(spec, number) for number in numbers]
    seen = take_snapshot(place.store)
    evidence = evidence_of(seen.shards.values(), read_calibration(place.store), spec=spec)
    asking = _asking(spec, backend)
    estimate = Estimate(spec, evidence, asking=asking)
    todo = [shard.number for shard in shards if shard.number not in seen.shards]
    missing = [number for number in range(spec.shard_count) if number not in seen.shards]
    amounts, rest = (estimate.amounts(_unwritten(spec, seen, some)) for some in (todo, missing))
    return DryRun(
        corpus=spec.name,
        model=spec.model.served,
        shards=tuple(todo),
        committed=len(shards) - len(todo),
        staged=len(todo) * spec.shard_phrases - amounts.phrases,
        asking=asking,
        amounts=amounts,
        origins=estimate.origins(),
        currency=spec.price.currency if spec.price else None,
        budget=_budget(place, spec),
        rest=Rest(
            shards=len(missing),
            phrases=rest.phrases,
            money=rest.money,
            nights_by_budget=nights_for(rest.money, spec.engines.limits)
            if rest.money and spec.engines.limits
            else None,
            nights_by_schedule=-(-len(missing) // spec.schedule.shards_per_night),
        ),
    )


def _asking(spec: CorpusSpec, backend: "Backend | None") -> Asking:
    if backend is not None:
        return Asking(list_size=backend.list_size, takes_n=backend.takes_n)
    return Asking() if spec.engines.limits else Asking(list_size=spec.engines.list_size)


def _unwritten(spec: CorpusSpec, seen: Snapshot, shards: Iterable[int]) -> int:
    """Phrases of the shards that no staged block has."""
    blocks = ((number, spec.blocks_per_shard) for number in shards)
    left = (size - min(size, seen.staged[number].blocks if number in seen.staged else 0) for number, size in blocks)
    return sum(left) * spec.block_phrases


def _budget(place: "Workplace", spec: CorpusSpec) -> Budget | None:
    limits = spec.engines.limits
    if limits is None or limits.budget_per_night is None:
        return None
    found = spent(place.store.bucket, root=account_root(spec), limits=limits, zone=spec.schedule.zone)
    return Budget(
        budget=found.budget,
        spent=found.amount,
        left=found.left,
        begins=found.period.begins,
        ends=found.period.ends,
    )
