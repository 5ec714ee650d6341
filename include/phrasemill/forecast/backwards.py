"""Backwards: which model and which class of GPU reach a target by a deadline, with the nights that are left."""

import datetime as dt
from typing import Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict

from phrasemill.forecast.answer import Forecast
from phrasemill.forecast.book import Book, BookError, shipped_book
from phrasemill.forecast.model import forecast
from phrasemill.forecast.premises import profile_of
from phrasemill.forecast.question import GPU_CLASSES, NO_EVIDENCE, Evidence, ForecastError, Question

FitVerdict = Literal["fits", "may fit", "does not fit"]
VERDICTS: tuple[FitVerdict, ...] = get_args(FitVerdict)
NIGHT_STARTS = dt.time(22, 0)
SIZES = ("7b", "1.5b", "0.5b", "0.1b")
"""Of models, largest first: a larger model writes better, so it is the better of two that fit."""


class DeadlineError(ForecastError):
    """A deadline that cannot be reckoned with: in the past, or without a time zone."""


class Finishes(BaseModel):
    """When the last phrase is there. None: later than calendars go."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    earliest: AwareDatetime | None
    likely: AwareDatetime | None
    latest: AwareDatetime | None


class Fit(BaseModel):
    """One model on one class of GPU, against a deadline."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    profile: str
    """The shipped profile's name, such as 80gb-hopper-1.5b."""
    question: Question
    """As asked, with this model and this class of GPU."""
    forecast: Forecast
    finishes: Finishes
    nights_left: int | None
    """Nights that begin before the deadline, one under way included; None without `hours_a_night`."""
    verdict: FitVerdict
    """`fits`: even at the latest it is there in time; `may fit`: at the earliest it is."""


def which_fit(
    question: Question,
    *,
    deadline: dt.datetime,
    now: dt.datetime,
    night_starts: dt.time = NIGHT_STARTS,
    evidence: Evidence = NO_EVIDENCE,
    book: Book | None = None,
) -> tuple[Fit, ...]:
    """Every model of the book on every class of GPU that a shipped profile is for, best first.

    The question's own model and gpu are replaced by each pair, its engines_per_gpu counts where given, its streams do
    not. Without `hours_a_night` work goes on from `now` without a pause. With it, a night begins each day at
    `night_starts`, in the deadline's time zone, and lasts so long; the night that is under way counts with what is left
    of it, and every night loses its start. Best first: those that fit, then those that may; of these the larger model,
    then the earlier finish; of those that do not fit the earlier finish alone. `evidence` is of one model on one kind
    of GPU, so it is taken for the question's own pair only.

    Raises:
        DeadlineError: now or deadline has no time zone, or the deadline is not after now.
        NightTooShort: engines may still be starting when the night ends.
    """
    if now.utcoffset() is None or deadline.utcoffset() is None:
        raise DeadlineError("now and deadline need a time zone, such as 2026-11-27T08:00+01:00")
    if deadline <= now:
        raise DeadlineError(
            f"the deadline {deadline.isoformat()} is not after now, {now.isoformat()}; give a later one"
        )
    book = book or shipped_book()
    own = (book.model_name(question.model), question.gpu)
    fits: list[Fit] = []
    for model in book.models:
        for gpu in GPU_CLASSES:
            if gpu == "hosted":
                continue
            asked = question.model_copy(
                update={"model": model, "gpu": gpu, "streams": None, "tokens_per_s_per_stream": None}
            )
            try:
                profile = profile_of(asked, book)
                answer = forecast(asked, evidence=evidence if (model, gpu) == own else NO_EVIDENCE, book=book)
            except BookError:
                continue
            if profile is not None:
                fits.append(_fit(asked, profile.name, answer, deadline=deadline, now=now, night_starts=night_starts))
    return tuple(sorted(fits, key=lambda fit: _rank(fit, book)))


def finish_of(
    useful_s: float,
    night_start_s: float,
    *,
    now: dt.datetime,
    night_starts: dt.time,
    hours_a_night: float | None,
) -> dt.datetime | None:
    """When so much work is done; None if never, or beyond the year 9999.

    Nights begin by the wall clock of now's time zone and last `hours_a_night` even where clocks change. One without
    room for its start gives nothing.
    """
    try:
        if hours_a_night is None:
            return _later(now, useful_s + night_start_s)
        night = hours_a_night * 3600
        whole = night - night_start_s
        if whole <= 0:
            return None
        day, left = now.date() - dt.timedelta(days=1), useful_s
        while True:
            opens = _opening(day, night_starts, now)
            begins = max(opens, now, key=dt.datetime.timestamp)  # two of one zone compare by the wall clock
            room = max(0.0, _later(opens, night).timestamp() - begins.timestamp() - night_start_s)
            if left <= room:
                return _later(begins, night_start_s + left)
            left -= room
            # All but the night under way are whole, so those that it takes entirely need no looking at.
            taken = int(left // whole) if day > now.date() else 0
            left -= taken * whole
            day += dt.timedelta(days=1 + taken)
    except OverflowError:
        return None


def nights_before(deadline: dt.datetime, *, now: dt.datetime, night_starts: dt.time, hours_a_night: float) -> int:
    """Nights that are under way at `now` or begin before the deadline, by the wall clock of now's time zone."""
    day = now.date() - dt.timedelta(days=1)
    if _later(_opening(day, night_starts, now), hours_a_night * 3600) <= now:
        day += dt.timedelta(days=1)
        if _later(_opening(day, night_starts, now), hours_a_night * 3600) <= now:
            day += dt.timedelta(days=1)
    last = deadline.astimezone(now.tzinfo).date()
    if _opening(last, night_starts, now) >= deadline:
        last -= dt.timedelta(days=1)
    return max(0, (last - day).days + 1)


def _fit(
    asked: Question,
    profile: str,
    answer: Forecast,
    *,
    deadline: dt.datetime,
    now: dt.datetime,
    night_starts: dt.time,
) -> Fit:
    hours, here = asked.hours_a_night, now.astimezone(deadline.tzinfo)
    useful, start = answer.useful_s, answer.night_start_s
    ends = [
        finish_of(seconds, start.likely, now=here, night_starts=night_starts, hours_a_night=hours)
        for seconds in (useful.low, useful.likely, useful.high)
    ]
    verdict: FitVerdict = "does not fit"
    if ends[2] is not None and ends[2].timestamp() <= deadline.timestamp():
        verdict = "fits"
    elif ends[0] is not None and ends[0].timestamp() <= deadline.timestamp():
        verdict = "may fit"
    left = None if hours is None else nights_before(deadline, now=here, night_starts=night_starts, hours_a_night=hours)
    return Fit(
        model=asked.model,
        profile=profile,
        question=asked,
        forecast=answer,
        finishes=Finishes(earliest=ends[0], likely=ends[1], latest=ends[2]),
        nights_left=left,
        verdict=verdict,
    )


def _rank(fit: Fit, book: Book) -> tuple[int, int, float, float]:
    finish = fit.finishes.likely.timestamp() if fit.finishes.likely else float("inf")
    size = SIZES.index(book.model(fit.model).size) if fit.verdict != "does not fit" else 0
    return VERDICTS.index(fit.verdict), size, finish, fit.forecast.useful_s.likely


def _opening(day: dt.date, night_starts: dt.time, now: dt.datetime) -> dt.datetime:
    return dt.datetime.combine(day, night_starts, tzinfo=now.tzinfo)


def _later(moment: dt.datetime, seconds: float) -> dt.datetime:
    """Seconds of real time later; adding to a local time would count by the wall clock."""
    return (moment.astimezone(dt.UTC) + dt.timedelta(seconds=seconds)).astimezone(moment.tzinfo)
