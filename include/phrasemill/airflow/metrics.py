"""Progress as Airflow metrics: StatsD or OpenTelemetry, whichever Airflow is configured for; nothing otherwise.

Gauges are of one shard task (tags corpus and shard); counters add up over all tasks.
"""

import logging

from airflow.sdk.observability import stats

from phrasemill.progress import Progress

log = logging.getLogger(__name__)


class ProgressMetrics:
    """Turns a mill's progress into metrics and log lines; call it with every look at the mill."""

    def __init__(self) -> None:
        self._accepted = 0
        self._rejects: dict[str, int] = {}

    def __call__(self, progress: Progress) -> None:
        """Log one line, and send what has changed since the last call."""
        log.info("%s", progress.line())
        tags = {"corpus": progress.corpus}
        accepted = progress.accepted - progress.resumed
        stats.incr("phrasemill.phrases.accepted", accepted - self._accepted, tags=tags)
        self._accepted = accepted
        for reason, count in progress.rejects.items():
            more = count - self._rejects.get(reason, 0)
            stats.incr("phrasemill.phrases.rejected", more, tags=tags | {"reason": reason})
        self._rejects = dict(progress.rejects)
        of_shard = tags | {"shard": progress.shard}
        stats.gauge("phrasemill.shard.phrases_per_second", progress.phrases_per_s, tags=of_shard)
        stats.gauge("phrasemill.shard.tokens_per_second", progress.tokens_per_s, tags=of_shard)
        if progress.eta_s is not None:
            stats.gauge("phrasemill.shard.eta_seconds", progress.eta_s, tags=of_shard)
