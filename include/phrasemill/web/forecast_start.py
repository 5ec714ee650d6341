"""Where a forecast starts from a corpus: the question of its file, and what was measured on it so far."""

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass

from phrasemill.errors import PhrasemillError, StoreError
from phrasemill.forecast.calibration import Calibration, read_calibration
from phrasemill.forecast.corpus_question import ModelUnknown, question_of
from phrasemill.forecast.gathering import evidence_of
from phrasemill.spec import CORPUS_DAG
from phrasemill.web.corpus_cache import NotACorpus, Seen, look
from phrasemill.web.forecast_fields import BLANK
from phrasemill.web.forecast_form import Start
from phrasemill.web.problems import one_line

KEPT_S = 60.0
"""A calibration is made by hand, and a slider that moves asks several times a second."""


class NoStart(PhrasemillError):
    """A forecast cannot start from a corpus; `status` is that of the answer."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Started:
    """A start, and what could not be looked at."""

    start: Start
    notes: tuple[str, ...] = ()


def start_from(corpus: str, readable: Collection[str]) -> Started:
    """The start that a corpus gives; `readable` are those that may be asked for.

    Raises:
        NoStart: there is no such corpus to read, or its file has mistakes.
    """
    if corpus not in readable:
        known = ", ".join(readable) or "none"
        raise NoStart(f"There is no corpus {corpus!r} that you may read; there is: {known}.")
    dag_id = f"{CORPUS_DAG}{corpus}"
    try:
        seen = look(dag_id)
        if seen.spec is None:
            raise NoStart(seen.problem or f"The file of corpus {corpus} cannot be read.", status=503)
        calibration, notes = _calibration(seen)
        shards = seen.snapshot.shards.values() if seen.snapshot else ()
    except NotACorpus as error:
        raise NoStart(one_line(error)) from error
    evidence = evidence_of(shards, calibration, spec=seen.spec)
    try:
        question = question_of(seen.spec, evidence=evidence)
    except ModelUnknown:
        model = BLANK["model"]
        question = question_of(seen.spec, evidence=evidence, model=model)
        notes = (
            *notes,
            f"The book of the forecast has no model like {seen.spec.model.name}; {model} stands in for it.",
        )
    if question.price:  # paid for each GPU, however many the form will ask about
        question = question.model_copy(update={"price": question.price.model_copy(update={"gpus": 1})})
    return Started(Start(question=question, evidence=evidence), notes)


def _calibration(seen: Seen) -> tuple[Calibration | None, tuple[str, ...]]:
    """The corpus's calibration, and what is to be said of a bucket that does not answer."""
    if seen.problem or seen.store is None:
        return None, (seen.problem,) if seen.problem else ()
    with _lock:
        kept = _kept.get(seen.dag_id)
    if kept and kept[0] > time.monotonic() - KEPT_S:
        return kept[1], ()
    try:
        calibration = read_calibration(seen.store)
    except StoreError as error:
        return None, (f"The calibration of this corpus cannot be read: {one_line(error)}",)
    with _lock:
        _kept[seen.dag_id] = time.monotonic(), calibration
    return calibration, ()


_kept: dict[str, tuple[float, Calibration | None]] = {}
_lock = threading.Lock()
