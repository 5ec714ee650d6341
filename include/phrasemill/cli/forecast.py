"""The command `phrasemill forecast`: how long for a target, what it takes, and what matters most."""

import datetime as dt
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from phrasemill.cli import forecast_tables as tables
from phrasemill.cli.forecast_question import Asked, ForecastOptionError, ask
from phrasemill.forecast.backwards import NIGHT_STARTS, which_fit
from phrasemill.forecast.book import shipped_book
from phrasemill.forecast.model import forecast as forecast_of
from phrasemill.forecast.plot import Bar, curves, plot_cases, plot_engines
from phrasemill.forecast.scenarios import Case, Scenario, find_scenario, scenarios, tell
from phrasemill.terminal import err, out

PAIR = ("model", "gpu")
"""What --by tries out, unless an option names it."""


def forecast(
    corpus: Annotated[
        str | None, typer.Argument(help="A corpus's name or file: its figures, and what its nights measured.")
    ] = None,
    *,
    target: Annotated[str | None, typer.Option(help="Such as '10M phrases', '1 GB' or '1e9 chars'.")] = None,
    language: Annotated[str | None, typer.Option(help="en or ru.")] = None,
    model: Annotated[str | None, typer.Option(help="A model of the rate book, such as qwen2.5-1.5b.")] = None,
    gpu: Annotated[
        str | None, typer.Option(help="24gb, 48gb, 80gb-hopper, 96gb-blackwell, cpu, or hosted for an API.")
    ] = None,
    gpus: Annotated[int | None, typer.Option(min=1, help="GPUs, or machines without one.")] = None,
    engines: Annotated[
        int | None, typer.Option(min=1, help="Engines on each GPU; default: as its profile has it.")
    ] = None,
    streams: Annotated[int | None, typer.Option(min=1, help="Answers written side by side, without batching.")] = None,
    stream_rate: Annotated[float | None, typer.Option(help="Tokens a second of each stream.")] = None,
    hours_a_night: Annotated[float | None, typer.Option(help="Without it work goes on by day and night.")] = None,
    price: Annotated[float | None, typer.Option(min=0, help="Of one GPU for one hour.")] = None,
    currency: Annotated[str | None, typer.Option(help="Of --price; default: EUR.")] = None,
    accept: Annotated[float | None, typer.Option(help="Share of the outputs that become phrases, 0 to 1.")] = None,
    prompt_tokens: Annotated[float | None, typer.Option(help="Tokens of one prompt.")] = None,
    phrase_chars: Annotated[float | None, typer.Option(help="Characters of a phrase.")] = None,
    lora: Annotated[bool | None, typer.Option("--lora/--no-lora", help="With a LoRA adapter.")] = None,
    oversample: Annotated[float | None, typer.Option(min=0, help="Phrases beyond the target, as a share.")] = None,
    assume_nothing_measured: Annotated[
        bool, typer.Option("--assume-nothing-measured", help="Leave the corpus's bucket alone.")
    ] = False,
    by: Annotated[
        str | None, typer.Option(help="A deadline such as '2026-11-27 08:00': which models and GPUs make it?")
    ] = None,
    from_hour: Annotated[str | None, typer.Option(help="With --by: when nights begin; default: 22:00.")] = None,
    show_scenarios: Annotated[bool, typer.Option("--scenarios", help="Known scenarios, side by side.")] = False,
    vs: Annotated[
        list[str] | None, typer.Option(help="Compare with a scenario, by name or YAML file. Repeatable.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw time against engines and models, or the cases compared: .png or .svg.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell how long a target takes, in tokens, GPU-hours, money and energy too, and which assumption matters most.

    Figures come from the options, then from the corpus's file, then from its calibration and manifests, then from
    the book of the forecast. All are given as likely (low to high).
    """
    figures = {
        **{"language": language, "model": model, "gpu": gpu, "gpus": gpus, "engines_per_gpu": engines},
        **{"streams": streams, "tokens_per_s_per_stream": stream_rate, "hours_a_night": hours_a_night},
        **{"accept_share": accept, "prompt_tokens": prompt_tokens, "phrase_chars": phrase_chars, "lora": lora},
        "oversample": oversample,
    }
    given = {name: value for name, value in figures.items() if value is not None}
    modes = [name for name, wanted in (("--scenarios", show_scenarios), ("--vs", vs), ("--by", by)) if wanted]
    _check_options(modes, from_hour=from_hour, plot=plot)
    if show_scenarios:
        if given or any(option is not None for option in (corpus, target, price, currency)):
            raise ForecastOptionError("--scenarios takes only --json and --plot; to compare a question, use --vs NAME")
        _show_scenarios(as_json=as_json, plot=plot)
        return
    measured = not assume_nothing_measured
    asked = ask(corpus, target=target, price=price, currency=currency, figures=given, measured=measured)
    for note in asked.notes:
        err.print(note, markup=False, highlight=False, soft_wrap=True)
    if by is not None:
        _show_fits(asked, by=by, from_hour=from_hour, given=given, as_json=as_json)
    elif vs:
        _show_compared(asked, [find_scenario(name) for name in vs], as_json=as_json, plot=plot)
    else:
        _show_answer(asked, as_json=as_json, plot=plot)


def _check_options(modes: Sequence[str], *, from_hour: str | None, plot: Path | None) -> None:
    if len(modes) > 1:
        raise ForecastOptionError(f"{' and '.join(modes)} are different questions; ask them one after the other")
    if from_hour is not None and "--by" not in modes:
        raise ForecastOptionError("--from-hour is when nights begin before a deadline; give --by too, or leave it out")
    if plot is not None and "--by" in modes:
        raise ForecastOptionError("--by has no plot; leave out --plot, or ask for it without --by")


def _show_answer(asked: Asked, *, as_json: bool, plot: Path | None) -> None:
    question, evidence = asked.question, asked.evidence
    answer = forecast_of(question, evidence=evidence)
    if plot is not None:
        lines = curves(question, evidence=evidence)
        plot_engines(lines, answer, question=question, title=tables.question_words(question), path=plot)
    if as_json:
        _print_json({"question": question, "forecast": answer, "matters_most": answer.matters_most})
    else:
        out.print(tables.answer_table(question, answer))
        out.print(tables.assumptions_table(answer.assumptions))
        _say(tables.what_matters(answer))
    _tell_of(plot)


def _show_compared(asked: Asked, others: Sequence[Scenario], *, as_json: bool, plot: Path | None) -> None:
    own = Case(title="this question", question=asked.question)
    cases = [(own, forecast_of(asked.question, evidence=asked.evidence))]
    cases += [(case, forecast_of(case.question)) for scenario in others for case in scenario.cases()]
    title = f"{tables.question_words(asked.question)}: compared"
    if plot is not None:
        bars = [Bar(tables.short_title(case.title), "compared", answer.elapsed_s) for case, answer in cases]
        plot_cases(bars, title=title, path=plot)
    if as_json:
        told = [{"title": case.title, "question": case.question, "forecast": answer} for case, answer in cases]
        _print_json({"cases": told})
    else:
        out.print(tables.compared_table(cases, title=title))
    _tell_of(plot)


def _show_scenarios(*, as_json: bool, plot: Path | None) -> None:
    told = [tell(scenario) for scenario in scenarios()]
    if plot is not None:
        plot_cases(
            list(tables.scenario_bars(told)), title="Scenarios: 10,000,000 phrases, likely (low to high)", path=plot
        )
    if as_json:
        _print_json({"scenarios": told})
    else:
        out.print(tables.scenarios_table(told))
        for line in tables.why_lines(told):
            _say(line)
    _tell_of(plot)


def _show_fits(asked: Asked, *, by: str, from_hour: str | None, given: Mapping[str, Any], as_json: bool) -> None:
    now = dt.datetime.now(dt.UTC).astimezone(asked.zone)
    deadline = _deadline(by, asked.zone)
    starts = _clock(from_hour) if from_hour is not None else NIGHT_STARTS
    fits = which_fit(asked.question, deadline=deadline, now=now, night_starts=starts, evidence=asked.evidence)
    wanted = {name: given[name] for name in PAIR if name in given}
    if "model" in wanted:
        wanted["model"] = shipped_book().model_name(wanted["model"])
    chosen = [fit for fit in fits if all(getattr(fit.question, name) == value for name, value in wanted.items())]
    if not chosen:
        raise ForecastOptionError(
            f"no shipped profile is for {' on '.join(wanted.values())}; leave --model or --gpu out"
        )
    if as_json:
        _print_json({"deadline": deadline.isoformat(), "question": asked.question, "fits": chosen})
        return
    title = f"{tables.question_words(asked.question, pair=False)}: by {deadline:%Y-%m-%d %H:%M %Z}"
    out.print(tables.fits_table(chosen, deadline=deadline, title=title))


def _deadline(text: str, zone: dt.tzinfo | None) -> dt.datetime:
    """A deadline in the zone of the corpus's nights, or of this machine, unless it names its own."""
    try:
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment
        return moment.replace(tzinfo=zone) if zone else moment.astimezone()
    except (ValueError, OverflowError) as error:
        raise ForecastOptionError(f"--by {text}: is no date and time; write such as '2026-11-27 08:00'") from error


def _clock(text: str) -> dt.time:
    try:
        clock = dt.time.fromisoformat(text)
    except ValueError as error:
        raise ForecastOptionError(f"--from-hour {text}: is no time of day; write such as 22:00") from error
    if clock.tzinfo is not None:
        raise ForecastOptionError(f"--from-hour {text}: has a zone; write such as 22:00, in the deadline's zone")
    return clock


def _print_json(content: Mapping[str, Any]) -> None:
    """Print JSON; models are told with all their fields."""
    sys.stdout.write(json.dumps(content, indent=1, default=lambda model: model.model_dump(mode="json")) + "\n")


def _tell_of(plot: Path | None) -> None:
    if plot is not None:
        err.print(f"wrote {plot}", markup=False, highlight=False, soft_wrap=True)


def _say(line: str) -> None:
    out.print(line, markup=False, highlight=False, soft_wrap=True)
