"""Forecasts as tables for a terminal: each figure as 'likely (low to high)'."""

import datetime as dt
from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from phrasemill.forecast.answer import Assumption, Forecast
from phrasemill.forecast.backwards import Finishes, Fit
from phrasemill.forecast.plot import KINDS, Bar
from phrasemill.forecast.question import Question
from phrasemill.forecast.scenarios import Case, FirstEstimate, Told
from phrasemill.forecast.words import count_words, money_words, range_words, size_words, time_words
from phrasemill.range_words import DAY_S, YEAR_S
from phrasemill.ranges import Range
from phrasemill.visible import visible

NOTHING = "–"
LANGUAGES = {"en": "English", "ru": "Russian"}
SHOWN_TITLE = 120
VERDICT_STYLES = {"fits": "green", "may fit": "yellow", "does not fit": "red"}

Compared = tuple[Case, Forecast]


def question_words(question: Question, *, pair: bool = True) -> str:
    """What is asked, on one line; without `pair` model and class of GPU are left open."""
    target = question.target
    if target.phrases is not None:
        amount = count_words(Range.exactly(target.phrases), "phrases")
    elif target.text_bytes is not None:
        amount = size_words(Range.exactly(target.text_bytes))
    else:
        amount = count_words(Range.exactly(target.chars or 0), "characters")
    parts = [f"{amount} in {LANGUAGES[question.language]}"]
    if not pair:
        parts.append(f"{question.gpus} GPU{'s'[: question.gpus > 1]}")
    elif question.gpu == "hosted":
        parts.append("a hosted API")
    else:
        parts.append(f"{question.model} on {question.gpus} x {question.gpu}")
    if pair and question.streams is not None:
        parts.append(f"{question.streams} stream{'s'[: question.streams > 1]}")
    if question.lora:
        parts.append("LoRA")
    if question.hours_a_night is not None:
        parts.append(f"{_hours(question.hours_a_night)} a night")
    return visible(", ".join(parts))


def short_title(title: str) -> str:
    """A title that somebody wrote into a file, fit for one cell."""
    return visible(title, most=SHOWN_TITLE)


def answer_table(question: Question, answer: Forecast) -> Table:
    """A forecast's figures, one a line."""
    table = Table("", "likely (low to high)", title=question_words(question))
    for name, words in answer_rows(question, answer):
        table.add_row(name, Text(words))
    return table


def answer_rows(question: Question, answer: Forecast) -> Iterable[tuple[str, str]]:
    """Name and words of each figure of a forecast that has one."""
    yield "phrases", count_words(answer.phrases)
    yield "characters", count_words(answer.chars)
    yield "text", size_words(answer.text_bytes)
    yield "outputs asked for", count_words(answer.outputs)
    yield "prompt tokens", count_words(answer.prompt_tokens)
    yield "tokens written", count_words(answer.completion_tokens)
    engines = f" on {answer.engines} engine{'s'[: answer.engines > 1]}" if answer.engines else ""
    yield "speed", f"{range_words(answer.phrases_per_s, ' phrases/s')}{engines}"
    yield "generating", time_words(answer.busy_s)
    nights = ""
    if answer.nights is not None and question.hours_a_night is not None:
        unit = " night" if answer.nights.likely == 1 else " nights"
        nights = f", {range_words(answer.nights, unit)} of {_hours(question.hours_a_night)}"
    yield "calendar time", time_words(answer.elapsed_s) + nights
    if answer.gpu_hours is not None:
        yield "GPU-hours", range_words(answer.gpu_hours, "")
    if answer.money is not None:
        yield "money", money_words(answer.money, visible(answer.currency or ""))
    if answer.kwh is not None:
        yield "energy", range_words(answer.kwh, " kWh")


def assumptions_table(assumptions: Sequence[Assumption]) -> Table:
    """What a forecast stands on, what matters most first."""
    title = "What it stands on; swing: by what the time changes from the figure's low to its high"
    table = Table("assumption", "value", "swing", "kind", "source", title=title)
    for one in assumptions:
        source = Text(visible(one.source))
        table.add_row(Text(visible(one.words)), Text(value_words(one)), f"x {one.swing:.2f}", one.kind, source)
    return table


def value_words(assumption: Assumption) -> str:
    """The value of an assumption with its unit."""
    bare = assumption.unit in {"share", "ratio", "exponent"}
    return range_words(assumption.value, "" if bare else f" {visible(assumption.unit)}")


def what_matters(answer: Forecast) -> str:
    """The sentence on the assumption that matters most."""
    most = answer.matters_most
    return (
        f"What matters most: {visible(most.words)}, {value_words(most)}, {most.kind}. "
        f"From its one end to the other the time changes {most.swing:.2f} times."
    )


def compared_table(cases: Sequence[Compared], *, title: str) -> Table:
    """Several questions side by side, a line each; the first is what the others are compared with."""
    names = ("", "phrases/s", "generating", "calendar time", "GPU-hours", "money", "energy, kWh", "times as long")
    table = Table(*names, title=title)
    own = cases[0][1].elapsed_s.likely
    for case, answer in cases:
        table.add_row(
            Text(short_title(case.title)),
            range_words(answer.phrases_per_s, ""),
            time_words(answer.busy_s),
            time_words(answer.elapsed_s),
            range_words(answer.gpu_hours, "") if answer.gpu_hours else NOTHING,
            Text(money_words(answer.money, visible(answer.currency or "")) if answer.money else NOTHING),
            range_words(answer.kwh, "") if answer.kwh else NOTHING,
            range_words(Range.exactly(answer.elapsed_s.likely / own), ""),
        )
    return table


def scenarios_table(told: Sequence[Told]) -> Table:
    """Scenarios in three columns: what was said, what that comes to, and what was measured."""
    names = ("", "as first estimated", "corrected", "with measured rates")
    table = Table(*names, title="Calendar time, likely (low to high)", show_lines=True)
    for one in told:
        scenario = one.scenario
        corrected = [f"{time_words(one.forecast.elapsed_s)}: as asked, reckoned right"]
        corrected += _case_lines(scenario.corrected, one.corrected)
        measured = _case_lines(scenario.measured, one.measured)
        cells = (_first_estimate(scenario.first_estimate), "\n".join(corrected), "\n".join(measured) or NOTHING)
        table.add_row(Text(short_title(scenario.title)), *map(Text, cells))
    return table


def why_lines(told: Sequence[Told]) -> Iterable[str]:
    """Why first estimates are wrong: each scenario's title, then a line for each reason."""
    for scenario in (one.scenario for one in told if one.scenario.why):
        yield short_title(scenario.title)
        for reason in scenario.why:
            yield f"- {visible(reason)}"


def scenario_bars(told: Sequence[Told]) -> Iterable[Bar]:
    """The bars of a plot of scenarios, in the order of their table."""
    estimated, corrected, measured, _ = KINDS
    for one in told:
        scenario, title = one.scenario, short_title(one.scenario.title)
        if scenario.first_estimate:
            yield Bar(title, estimated, scenario.first_estimate.days.times(DAY_S))
        yield Bar("reckoned right" if scenario.first_estimate else title, corrected, one.forecast.elapsed_s)
        for kind, cases, answers in (
            (corrected, scenario.corrected, one.corrected),
            (measured, scenario.measured, one.measured),
        ):
            for case, answer in zip(cases, answers, strict=True):
                yield Bar(short_title(case.title), kind, answer.elapsed_s)


def fits_table(fits: Sequence[Fit], *, deadline: dt.datetime, title: str) -> Table:
    """Models and profiles against a deadline, best first."""
    table = Table("model", "profile", "verdict", "done", "working", "GPU-hours", "money", title=title)
    for column in table.columns[:3]:
        column.no_wrap = True
    for fit in fits:
        answer = fit.forecast
        table.add_row(
            visible(fit.model),
            visible(fit.profile),
            Text(fit.verdict, style=VERDICT_STYLES[fit.verdict]),
            _finish_words(fit.finishes, this_year=deadline.year),
            time_words(answer.worked_s),
            range_words(answer.gpu_hours, "") if answer.gpu_hours else NOTHING,
            Text(money_words(answer.money, visible(answer.currency or "")) if answer.money else NOTHING),
        )
    return table


def _hours(hours: float) -> str:
    return f"{hours:g} hour{'' if hours == 1 else 's'}"


def _case_lines(cases: Sequence[Case], answers: Sequence[Forecast]) -> list[str]:
    return [
        f"{time_words(answer.elapsed_s)}: {short_title(case.title)}"
        for case, answer in zip(cases, answers, strict=True)
    ]


def _first_estimate(said: FirstEstimate | None) -> str:
    if said is None:
        return NOTHING
    long = said.days.likely * DAY_S >= YEAR_S
    time = time_words(said.days.times(DAY_S)) if long else range_words(said.days, " days")
    return f"{time}: {visible(said.words)}"


def _finish_words(finishes: Finishes, *, this_year: int) -> str:
    """'24 Nov 02:58 (24 Nov 01:40 to 25 Nov 02:12)', with the year where it is another."""

    def words(moment: dt.datetime | None) -> str:
        if moment is None:
            return "never"
        return f"{moment:%d %b %H:%M}" if moment.year == this_year else f"{moment:%d %b %Y %H:%M}"

    earliest, likely, latest = (words(moment) for moment in (finishes.earliest, finishes.likely, finishes.latest))
    return likely if earliest == latest else f"{likely} ({earliest} to {latest})"
