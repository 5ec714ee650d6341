"""The last look at each corpus, kept in the web process, so that a page costs no listing of the bucket.

A look is one flight: a thread of its own takes the snapshot while pages wait for it a little, and then show the last
one. So a slow bucket makes figures older and pages no slower, and a bucket that is down leaves the last figures, with
a line that says since when.
"""

import datetime as dt
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from phrasemill.corpus_file import load_corpus
from phrasemill.corpus_state import CorpusState, corpus_state
from phrasemill.errors import PhrasemillError, SpecError
from phrasemill.snapshot import Snapshot, take_snapshot
from phrasemill.spec import CORPUS_DAG, RELEASE_DAG, CorpusSpec
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.web.access import corpus_of
from phrasemill.web.problems import NoPage, one_line
from phrasemill.web.stores import STORES, corpus_path

log = logging.getLogger(__name__)

OpenStore = Callable[[CorpusSpec], CorpusStore]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long figures count, and how long a page waits for newer ones."""

    kept_s: float = 5.0
    """A look younger than this is shown as it is."""
    retry_s: float = 10.0
    """After a look that failed, so long nobody asks again."""
    patience_s: float = 0.25
    """A page with recent figures waits so long for newer ones: pages are to take 300 ms at most."""
    long_patience_s: float = 5.0
    """A page without them waits longer."""
    recent: dt.timedelta = dt.timedelta(minutes=1)


class NotACorpus(NoPage):
    """A Dag has no corpus file, so there are no pages on it; Airflow's tabs are on every Dag all the same."""

    def __init__(self, dag_id: str) -> None:
        maker = f"{CORPUS_DAG}{dag_id.removeprefix(RELEASE_DAG)}" if dag_id.startswith(RELEASE_DAG) else ""
        corpus = corpus_of(maker)
        super().__init__(
            f"This Dag makes releases; the pages of its corpus are tabs of Dag {maker} and its runs."
            if corpus and corpus_path(corpus)
            else "Only the Dags of corpora have pages here, and this one is not made from a corpus file."
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """A corpus as it was seen last.

    `spec` is None only while the corpus file has never been read without a mistake, `store` also while its connection
    makes no client, `snapshot` and `state` while the bucket has never been read; then `problem` says why. With figures
    beside it, `problem` says that they are old, why, and since when. It is one line for people. The figures are always
    those of `spec`: a file that was changed counts once the bucket has been read with it.
    """

    dag_id: str
    corpus: str
    spec: CorpusSpec | None = None
    store: CorpusStore | None = None
    snapshot: Snapshot | None = None
    state: CorpusState | None = None
    problem: str | None = None


class CorpusCache:
    """The corpora that this process has seen.

    Args:
        open_store: gives the store of a corpus.
        pace: how long figures count.
        clock: seconds that only grow.
    """

    def __init__(
        self, open_store: OpenStore = STORES.open, *, pace: Pace | None = None, clock: Clock = time.monotonic
    ) -> None:
        self._open_store = open_store
        self._pace = pace or Pace()
        self._clock = clock
        self._watches: dict[str, _Watch] = {}
        self._lock = threading.Lock()

    def look(self, dag_id: str) -> Seen:
        """A corpus as it is now, or as it was seen last.

        Raises:
            NotACorpus: the Dag is none of a corpus, or its corpus file is gone.
        """
        return self._watch(dag_id).look()

    def _watch(self, dag_id: str) -> "_Watch":
        corpus = corpus_of(dag_id)
        with self._lock:
            if corpus is None or corpus_path(corpus) is None:
                self._watches.pop(dag_id, None)
                raise NotACorpus(dag_id)
            if dag_id not in self._watches:
                # Files that were renamed or taken away are asked about no more: a good moment to forget them.
                self._watches = {known: watch for known, watch in self._watches.items() if watch.has_file()}
                self._watches[dag_id] = _Watch(
                    Seen(dag_id, corpus), self._open_store, pace=self._pace, clock=self._clock
                )
            return self._watches[dag_id]


CORPORA = CorpusCache()
"""Those of this process."""


def look(dag_id: str) -> Seen:
    """A corpus as it is now, or as it was seen last.

    Raises:
        NotACorpus: the Dag is none of a corpus, or its corpus file is gone; the app answers with a note.
    """
    return CORPORA.look(dag_id)


@dataclass(frozen=True, slots=True)
class _Flight:
    """A look under way: since when by the clock and by the calendar, and whether it is over."""

    began: float
    at: dt.datetime
    landed: threading.Event = field(default_factory=threading.Event)


class _Watch:
    """One corpus: what was seen last, and the look under way."""

    def __init__(self, unseen: Seen, open_store: OpenStore, *, pace: Pace, clock: Clock) -> None:
        self._open_store = open_store
        self._pace = pace
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = unseen
        self._due = -math.inf
        self._flight: _Flight | None = None
        self._failing_since: dt.datetime | None = None

    def has_file(self) -> bool:
        return corpus_path(self._seen.corpus) is not None

    def look(self) -> Seen:
        with self._lock:
            if self._flight is None and self._clock() >= self._due:
                took_off = _Flight(self._clock(), dt.datetime.now(dt.UTC))
                # A daemon: the web server stops without it, after at most the time-outs of what it has just asked.
                threading.Thread(target=self._fly, args=[took_off], name="phrasemill-look", daemon=True).start()
                self._flight = took_off  # not before: where no thread can be had, the next page tries again
            flight, seen = self._flight, self._seen
        if flight is None:
            return seen
        patience = self._pace.patience_s if self._is_recent(seen, flight) else self._pace.long_patience_s
        landed = flight.landed.wait(max(0.0, flight.began + patience - self._clock()))
        with self._lock:
            seen = self._seen
        if landed or seen.problem or self._is_recent(seen, flight):
            return seen
        return replace(seen, problem=_waiting(seen, flight))

    def _fly(self, flight: _Flight) -> None:
        try:
            seen, wait = self._fresh(), self._pace.kept_s
        except Exception as error:  # whatever it is: a look that never lands would hold up every page after it
            seen, wait = self._failed(error, flight.at), self._pace.retry_s
        with self._lock:
            self._seen = seen
            self._due = self._clock() + wait
            self._failing_since = (self._failing_since or flight.at) if seen.problem else None
            self._flight = None
        flight.landed.set()

    def _fresh(self) -> Seen:
        path = corpus_path(self._seen.corpus)
        if path is None:
            raise SpecError("its corpus file is gone")
        spec = load_corpus(path)
        if self._seen.snapshot is None:
            self._show(replace(self._seen, spec=spec))
        store = self._open_store(spec)
        before = self._seen.store
        if before is not None and before.url(before.keys.root) != store.url(store.keys.root):
            # Figures of another place are none of this corpus.
            self._show(replace(self._seen, spec=spec, store=store, snapshot=None, state=None))
        elif self._seen.snapshot is None or self._seen.spec == spec:
            self._show(replace(self._seen, spec=spec, store=store))
        snapshot = take_snapshot(store, earlier=self._seen.snapshot)
        state = corpus_state(spec, snapshot, now=snapshot.at)
        return replace(self._seen, spec=spec, store=store, snapshot=snapshot, state=state, problem=None)

    def _show(self, seen: Seen) -> None:
        """From here on, whether or not the bucket answers. Only the look under way changes what was seen."""
        with self._lock:
            self._seen = seen

    def _failed(self, error: Exception, at: dt.datetime) -> Seen:
        since = self._failing_since or at
        if not isinstance(error, PhrasemillError):
            log.error("corpus %s cannot be read", self._seen.corpus, exc_info=error)
        return replace(self._seen, problem=f"Since {_moment(since)} this corpus cannot be read: {one_line(error)}")

    def _is_recent(self, seen: Seen, flight: _Flight) -> bool:
        return seen.snapshot is not None and flight.at - seen.snapshot.at < self._pace.recent


def _waiting(seen: Seen, flight: _Flight) -> str:
    if seen.snapshot is None:
        return "The bucket is being read for the first time; load this page again in a few seconds."
    return f"The bucket has not answered since {_moment(flight.at)}; these figures are of {_moment(seen.snapshot.at)}."


def _moment(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
