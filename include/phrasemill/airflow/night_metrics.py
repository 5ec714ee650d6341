"""The state of a corpus and of its night as Airflow metrics.

They are sent when a night is planned, a shard is committed and a night is closed; never from the API server. Where
Airflow sends no metrics the bucket is not asked. Else a look costs what `phrasemill.snapshot` says: three listings,
and the manifests that were committed since the last night was closed.
"""

import datetime as dt
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from airflow.sdk.configuration import conf
from airflow.sdk.observability import stats

from phrasemill.corpus_eta import rate_of_nights
from phrasemill.corpus_state import CorpusState, ShardCell, corpus_state, shard_cells
from phrasemill.metric_names import (
    BOUNDS,
    FINISH_TIME,
    NIGHT_EXPECTED,
    NIGHT_SECONDS,
    NIGHT_SHARDS,
    NIGHT_START,
    PHRASES,
    SHARD_STATES,
    SHARDS,
    TARGET,
    Metric,
)
from phrasemill.snapshot import take_snapshot
from phrasemill.steps import Workplace

log = logging.getLogger(__name__)

SWITCHES = ("statsd_on", "statsd_datadog_enabled", "otel_on")


def are_sent() -> bool:
    """Whether Airflow sends metrics anywhere."""
    return any(conf.getboolean("metrics", switch, fallback=False) for switch in SWITCHES)


def send_planned(place: Workplace, shards: Sequence[int], *, todo: int) -> None:
    """A night was planned: its beginning, how long it should take, and the state of all."""
    tags = {"corpus": place.spec.name}
    with _harmless(place):
        if not are_sent():
            return
        stats.gauge(NIGHT_START.name, dt.datetime.now(dt.UTC).timestamp() if todo else 0, tags=tags)
        stats.gauge(NIGHT_EXPECTED.name, 0, tags=tags)  # of the night before, until the bucket has told more
        state = _send_state(place, shards)
        if rate := rate_of_nights(state.nights) or state.rate_now:
            stats.gauge(NIGHT_EXPECTED.name, rate.over(todo * place.spec.shard_phrases).likely, tags=tags)


def send_committed(place: Workplace, shards: Sequence[int]) -> None:
    """A shard of the night was committed: the state of all."""
    with _harmless(place):
        if are_sent():
            _send_state(place, shards)


def send_closed(place: Workplace, shards: Sequence[int], *, begun_at: dt.datetime | None) -> None:
    """A night has ended, whether whole or not; `begun_at` is when its run began."""
    tags = {"corpus": place.spec.name}
    with _harmless(place):
        if not are_sent():
            return
        for metric in (NIGHT_START, NIGHT_EXPECTED):
            stats.gauge(metric.name, 0, tags=tags)
        if begun_at:
            seconds = (dt.datetime.now(dt.UTC) - begun_at).total_seconds()
            stats.gauge(NIGHT_SECONDS.name, max(0.0, seconds), tags=tags)
        _send_state(place, shards)


@contextmanager
def _harmless(place: Workplace) -> Iterator[None]:
    """No night is red for want of its metrics: the step itself tells what is wrong with the bucket."""
    try:
        yield
    except Exception as error:
        log.warning("not all metrics of %s are sent: %s: %s", place.spec.name, type(error).__name__, error)


def _send_state(place: Workplace, shards: Sequence[int]) -> CorpusState:
    """The state that was sent."""
    snapshot = take_snapshot(place.store)
    state = corpus_state(place.spec, snapshot, now=snapshot.at)
    cells = shard_cells(place.spec, snapshot, now=snapshot.at)
    of_night = set(shards)
    tags = {"corpus": place.spec.name}
    _send_states(SHARDS, cells, tags)
    _send_states(NIGHT_SHARDS, (cell for cell in cells if cell.shard in of_night), tags)
    stats.gauge(PHRASES.name, state.phrases, tags=tags)
    stats.gauge(TARGET.name, state.target_phrases, tags=tags)
    for bound in BOUNDS:
        moment: dt.datetime | None = getattr(state.eta.at, bound) if state.eta else None
        stats.gauge(FINISH_TIME.name, moment.timestamp() if moment else 0, tags=tags | {"bound": bound})
    return state


def _send_states(metric: Metric, cells: Iterable[ShardCell], tags: dict[str, str]) -> None:
    counts = Counter[str](cell.state for cell in cells)
    for state in SHARD_STATES:
        stats.gauge(metric.name, counts[state], tags=tags | {"state": state})
