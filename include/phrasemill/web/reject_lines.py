"""Rejected outputs of a whole corpus by reason, from the index's lines. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from phrasemill.facts import ENGINE_REASONS
from phrasemill.reject_reasons import REASONS
from phrasemill.spec import CorpusSpec
from phrasemill.store.shard_index import ShardEntry


class RejectReason(NamedTuple):
    """One reason, with the outputs that it rejected; `share` is of all that were judged."""

    reason: str
    meaning: str
    outputs: int
    share: float


class Rejects(NamedTuple):
    """All reasons, the most frequent first, with how many outputs were judged and rejected."""

    judged: int
    rejected: int
    lines: tuple[RejectReason, ...]

    @property
    def share(self) -> float:
        """Rejected outputs of all judged, 0 to 1."""
        return self.rejected / self.judged if self.judged else 0.0


def rejects_of(spec: CorpusSpec, entries: Iterable[ShardEntry]) -> Rejects:
    """Add up what was rejected for these shards."""
    counts: Counter[str] = Counter()
    judged = 0
    for entry in entries:
        judged += entry.judged
        counts.update(entry.rejects)
    meanings = _meanings(spec)
    lines = (
        RejectReason(reason, meanings.get(reason, ""), count, count / judged if judged else 0.0)
        for reason, count in counts.most_common()
    )
    return Rejects(judged, counts.total(), tuple(lines))


def _meanings(spec: CorpusSpec) -> dict[str, str]:
    """`phrasemill.rules.meanings` would import the corpus's plugins, which have no business in Airflow's web server."""
    patterns = {
        rule.name: f"the corpus's own pattern {rule.pattern} {'matches' if rule.reject_when == 'matches' else 'misses'}"
        for rule in spec.rules.patterns
    }
    plugins = {rule.name: f"a rule of an installed package, version {rule.version}" for rule in spec.rules.plugins}
    return REASONS | ENGINE_REASONS | patterns | plugins
