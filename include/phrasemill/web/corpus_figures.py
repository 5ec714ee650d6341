"""The figures at the head of a corpus's page and of its card: the same words in both. Pure."""

import datetime as dt
from typing import NamedTuple

from phrasemill.corpus_state import CorpusState
from phrasemill.night_lines import counted
from phrasemill.range_words import time_in_words
from phrasemill.report.words import DASH, decimal, share, size
from phrasemill.spec import CorpusSpec


class Figure(NamedTuple):
    """One figure: its name, its value, and what more there is to say of it."""

    name: str
    value: str
    more: str = ""


def corpus_figures(spec: CorpusSpec, state: CorpusState, *, paused: bool) -> tuple[Figure, ...]:
    """How far a corpus is, how fast it goes and until when; `paused` says that Airflow starts no night of it."""
    return (
        Figure("of the target", share(state.target_share), f"{state.committed_shards:,} of {state.shards:,} shards"),
        Figure("phrases committed", f"{state.phrases:,}", _of_target(state)),
        Figure("of text", size(state.text_bytes), f"{state.chars:,} characters"),
        _rate(state),
        _eta(spec, state),
        _last_night(state),
        _next_night(spec, state, paused=paused),
    )


def _of_target(state: CorpusState) -> str:
    of_target, top_ups = f"of {state.target_phrases:,}", state.top_ups
    if not top_ups.shards:
        return of_target
    return f"{of_target}; {top_ups.phrases:,} of them in {counted(len(top_ups.shards), 'top-up shard')}"


def by_the_clock(spec: CorpusSpec, moment: dt.datetime) -> str:
    """A moment by the corpus's own clock, such as '2026-12-02 22:00 CET'."""
    return f"{moment.astimezone(spec.schedule.zone):%Y-%m-%d %H:%M %Z}"


def _rate(state: CorpusState) -> Figure:
    name = "phrases a second now"
    if state.rate_now is None:
        return Figure(name, DASH, "nothing is being written")
    low, likely, high = map(decimal, (state.rate_now.low, state.rate_now.likely, state.rate_now.high))
    return Figure(name, likely, "" if low == likely == high else f"{low} to {high}")


def _eta(spec: CorpusSpec, state: CorpusState) -> Figure:
    name = "until the corpus is whole"
    if not state.missing:
        return Figure(name, "none", "it is complete")
    if state.eta is None:
        return Figure(name, DASH, "no rate is known yet")
    likely, _, within = time_in_words(state.eta.seconds).partition(" (")
    at = state.eta.at
    moments = by_the_clock(spec, at.likely)
    if within:
        moments += f"; {by_the_clock(spec, at.earliest)} to {by_the_clock(spec, at.latest)}"
    return Figure(name, likely, f"{f'{within[:-1]}; ' if within else ''}{moments}; {state.eta.words}")


def _last_night(state: CorpusState) -> Figure:
    name, night = "the last night", state.last_night
    if night is None:
        return Figure(name, DASH, "none has been worked on")
    rate = f", {decimal(night.phrases_per_second)} a second" if night.phrases_per_second else ""
    done = f"{night.committed:,} of {counted(night.planned, 'shard')}, {counted(night.phrases, 'phrase')}"
    return Figure(name, night.label, f"{done}{rate}; {night.state}")


def _next_night(spec: CorpusSpec, state: CorpusState, *, paused: bool) -> Figure:
    name = "the next night"
    if state.next_night is None:
        by_hand = state.missing and not spec.schedule.cron
        return Figure(name, DASH, "nights are by hand only" if by_hand else "no night has anything left to do")
    return Figure(name, by_the_clock(spec, state.next_night), "but the Dag is paused" if paused else "")
