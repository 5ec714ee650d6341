"""When a corpus will be whole: by the rate of the last minutes, by its schedule, or by what was committed. Pure.

Nights to come are taken one after the other. A night begins at its tick, or when the one before it has ended, and
takes the phrases it has left over the rate of earlier nights. That rate is `phrasemill.rate_range` over the nights,
each being one stretch of time; before two nights are known they are taken to differ by NIGHTS_DIFFER.
"""

import datetime as dt
from collections.abc import Mapping, Sequence

from pydantic import AwareDatetime, BaseModel, ConfigDict

from phrasemill.night_lines import NightLine, counted
from phrasemill.ranges import Range
from phrasemill.rate_range import rate_range

NIGHTS_DIFFER = 0.1
"""Standard deviation of a night's rate as a share of it, assumed as one more night: see `rate_range`."""
LEAST_ERROR = 0.01
"""Tomorrow differs from all nights so far by so much: the same floor of 2 % as the rate of the last minutes."""
FAR_OFF = dt.timedelta(days=365_000)


class Moments(BaseModel):
    """Three moments (UTC)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    earliest: AwareDatetime
    likely: AwareDatetime
    latest: AwareDatetime


class Eta(BaseModel):
    """When the corpus will be whole, and how that was reckoned."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: Range
    """From now on, pauses between nights included."""
    at: Moments
    words: str


def rate_of_nights(nights: Sequence[NightLine]) -> Range | None:
    """Accepted phrases a second while shards are being written, by what is committed; None while nothing is."""
    stretches = [(night.seconds, (night.phrases_per_second or 0.0) * night.seconds) for night in nights]
    return rate_range([stretch for stretch in stretches if stretch[0]], usual=NIGHTS_DIFFER, least=LEAST_ERROR)


def corpus_eta(
    *,
    now: dt.datetime,
    here: int,
    coming: Mapping[dt.datetime, int],
    rate_now: Range | None,
    rate_of_nights: Range | None,
    otherwise: str,
) -> Eta | None:
    """Reckon the ETA.

    Args:
        now: timezone-aware.
        here: phrases left to write that wait for no night.
        coming: phrases left to write of each night to come, by its beginning.
        rate_now: phrases a second of the last minutes; None when nothing is being written.
        rate_of_nights: the same of committed work.
        otherwise: what is supposed of `here` when nothing is being written, such as 'if it went on without a pause'.

    Returns:
        None where nothing is left, or no rate is known.
    """
    first, later = rate_now or rate_of_nights, rate_of_nights or rate_now
    if first is None or later is None or not (here or coming):
        return None
    by_now = "at the rate of the last minutes" if rate_now else "at the rate of what is committed"
    if coming:
        by_night = "at the rate of earlier nights" if rate_of_nights else by_now
        words = f"{counted(len(coming), 'night')} to come, {by_night}"
    else:
        words = by_now if rate_now else f"{otherwise}, {by_now}"
    # A night to come does not wait for shards that nobody is writing.
    waiting = here if rate_now or not coming else 0
    seconds = [_end(now, waiting, coming, *rates) for rates in _pairs(first, later)]
    low, likely, high = (min(value, FAR_OFF.total_seconds()) for value in seconds)
    at = [now.astimezone(dt.UTC) + dt.timedelta(seconds=value) for value in (low, likely, high)]
    return Eta(
        seconds=Range(low=low, likely=likely, high=high),
        at=Moments(earliest=at[0], likely=at[1], latest=at[2]),
        words=words,
    )


def _pairs(first: Range, later: Range) -> list[tuple[float, float]]:
    return [(first.high, later.high), (first.likely, later.likely), (first.low, later.low)]


def _end(now: dt.datetime, here: int, coming: Mapping[dt.datetime, int], rate: float, later: float) -> float:
    """Seconds from now until the last night has ended."""
    end = here / rate
    for begins in sorted(coming):
        end = max(end, (begins - now).total_seconds()) + coming[begins] / later
    return end
