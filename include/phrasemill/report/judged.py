"""Judged: a committed shard's manifest with the gate's verdict in it, read once."""

from collections.abc import Sequence
from typing import NamedTuple

from phrasemill.gate.verdict import Verdict
from phrasemill.manifest import Manifest


class Judged(NamedTuple):
    """One committed shard."""

    manifest: Manifest
    verdict: Verdict


def judged(manifests: Sequence[Manifest]) -> list[Judged]:
    """Committed shards by number."""
    ordered = sorted(manifests, key=lambda manifest: manifest.shard)
    return [Judged(manifest, Verdict.model_validate(manifest.verdict)) for manifest in ordered]


def weighted(shards: Sequence[Judged], metric: str) -> float | None:
    """A metric's mean over phrases; None where no verdict has it."""
    pairs = [
        (shard.verdict.metrics[metric], shard.manifest.rows) for shard in shards if metric in shard.verdict.metrics
    ]
    rows = sum(count for _, count in pairs)
    return sum(value * count for value, count in pairs) / rows if rows else None
