"""The command `phrasemill simulate`: a corpus on a fleet, event by event, and what to change as it grows.

What it runs on (simpy) is imported when it is asked for, so that the other commands run where that is not installed.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from phrasemill.cli.forecast_question import Asked, ask
from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.errors import PhrasemillError
from phrasemill.extras import require
from phrasemill.terminal import err, out

if TYPE_CHECKING:
    from phrasemill.simulation.place import Place
    from phrasemill.simulation.sweep import Step

SIMULATION = ("simpy",)
HALF_A_LOOK_S = 5.0
"""Airflow looks for tasks without a heartbeat every 10 s (task_instance_heartbeat_timeout_detection_interval)."""
EXECUTORS = ("local", "celery", "kubernetes")


class SimulateOptionError(PhrasemillError):
    """Options of the command do not go together; the message says which."""


def simulate(
    corpus: Annotated[
        str | None, typer.Argument(help="A corpus's name or file: its target, model and sizes of shards and nights.")
    ] = None,
    *,
    target: Annotated[str | None, typer.Option(help="Such as '1G phrases' or '100 GB'.")] = None,
    language: Annotated[str | None, typer.Option(help="en or ru.")] = None,
    model: Annotated[str | None, typer.Option(help="A model of the rate book, such as qwen2.5-1.5b.")] = None,
    gpu: Annotated[str | None, typer.Option(help="24gb, 48gb, 80gb-hopper, 96gb-blackwell or cpu.")] = None,
    gpus: Annotated[int | None, typer.Option(min=1, help="GPUs, or machines without one.")] = None,
    engines: Annotated[
        int | None, typer.Option("--engines-per-gpu", min=1, help="Default: as the profile of the GPU has it.")
    ] = None,
    accept: Annotated[float | None, typer.Option(help="Share of the outputs that become phrases, 0 to 1.")] = None,
    shard_phrases: Annotated[int | None, typer.Option(min=1, help="Phrases of a shard.")] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Of the pool; default: as many as the engines want.")] = None,
    validate_at_once: Annotated[int | None, typer.Option(min=1, help="Shards at the gate; default: 2.")] = None,
    publish_at_once: Annotated[int | None, typer.Option(min=1, help="Shards being published; default: 4.")] = None,
    run_tasks: Annotated[
        int | None, typer.Option(min=1, help="Airflow's max_active_tasks_per_dag; default: 16.")
    ] = None,
    executor: Annotated[str, typer.Option(help="local, celery or kubernetes.")] = "local",
    workers: Annotated[int | None, typer.Option(min=1, help="Default: as many as the tasks want.")] = None,
    worker_tasks: Annotated[int | None, typer.Option(min=1, help="Tasks of one worker; default: 16.")] = None,
    starts_per_s: Annotated[float | None, typer.Option(help="Tasks that Airflow starts a second.")] = None,
    task_start_s: Annotated[float | None, typer.Option(help="Seconds until a started task works.")] = None,
    failures_per_hour: Annotated[
        float, typer.Option(min=0, help="Workers that die with their tasks, an hour, of the whole fleet.")
    ] = 0.0,
    crashes_per_gpu_hour: Annotated[float, typer.Option(min=0, help="Engines that die, an hour and GPU.")] = 0.0,
    heartbeat_timeout: Annotated[
        float, typer.Option(min=0, help="Airflow's task_instance_heartbeat_timeout, in seconds.")
    ] = 300.0,
    seed: Annotated[int, typer.Option(help="Of the failures; the same seed gives the same outcome.")] = 0,
    assume_nothing_measured: Annotated[
        bool, typer.Option("--assume-nothing-measured", help="Leave the corpus's bucket alone.")
    ] = False,
    sweep: Annotated[bool, typer.Option("--sweep", help="Fleets of 1 to 512 GPUs: what must change where.")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw it over time, or the fleets of --sweep: .png or .svg.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Simulate a corpus through Airflow on a fleet: how long, how busy the GPUs are, and what to change.

    Every change that is advised has been simulated. Rates and accept share are those of `phrasemill forecast`.
    """
    _check(executor, sweep=sweep, gpu=gpu, gpus=gpus)
    require("simulate", SIMULATION)
    from phrasemill.simulation.question import Failures  # noqa: PLC0415

    figures: dict[str, Any] = {"language": language, "model": model, "gpu": gpu, "gpus": gpus}
    figures |= {"engines_per_gpu": engines, "accept_share": accept}
    given = {name: value for name, value in figures.items() if value is not None}
    settings: dict[str, Any] = {
        **{"shard_phrases": shard_phrases, "slots": slots, "validate_at_once": validate_at_once},
        **{"publish_at_once": publish_at_once, "run_tasks": run_tasks, "workers": workers},
        **{"worker_tasks": worker_tasks, "starts_per_s": starts_per_s, "task_start_s": task_start_s, "seed": seed},
        "failures": Failures(
            crashes_per_gpu_hour=crashes_per_gpu_hour,
            worker_losses_per_hour=failures_per_hour,
            detection_s=heartbeat_timeout + HALF_A_LOOK_S,
        ),
    }
    chosen = {name: value for name, value in settings.items() if value is not None}
    measured = not assume_nothing_measured
    asked = ask(corpus, target=target, price=None, currency=None, figures=given, measured=measured)
    for note in asked.notes:
        err.print(note, markup=False, highlight=False, soft_wrap=True)
    if sweep:
        _show_sweep(corpus, asked, executor=executor, settings=chosen, as_json=as_json, plot=plot)
    else:
        place = _place(corpus, asked, executor=executor, settings=chosen)
        _show(place, as_json=as_json, plot=plot)


def _check(executor: str, *, sweep: bool, gpu: str | None, gpus: int | None) -> None:
    if executor not in EXECUTORS:
        raise SimulateOptionError(f"--executor {executor}: must be one of {', '.join(EXECUTORS)}")
    if gpu == "hosted":
        raise SimulateOptionError("--gpu hosted: only engines of your own are simulated; name a class of GPU, or cpu")
    if sweep and gpus is not None:
        raise SimulateOptionError("--sweep asks about fleets of 1 to 512 GPUs; leave --gpus out")


def _place(
    corpus: str | None, asked: Asked, *, executor: str, settings: dict[str, Any], gpus: int | None = None
) -> "Place":
    from phrasemill.simulation.place import place_of  # noqa: PLC0415

    spec = load_corpus(find_corpus(corpus)) if corpus is not None else None
    question = asked.question if gpus is None else asked.question.model_copy(update={"gpus": gpus, "price": None})
    return place_of(question, evidence=asked.evidence, executor=executor, settings=settings, spec=spec)  # type: ignore[arg-type]


def _show(place: "Place", *, as_json: bool, plot: Path | None) -> None:
    from phrasemill.cli import simulate_tables as tables  # noqa: PLC0415
    from phrasemill.simulation import simulate as outcome_of  # noqa: PLC0415
    from phrasemill.simulation.changes import advise  # noqa: PLC0415
    from phrasemill.simulation.plot import plot_course  # noqa: PLC0415
    from phrasemill.simulation.words import advice_lines  # noqa: PLC0415

    advice, now = advise(place), outcome_of(place.question)
    then = outcome_of(advice.place.question) if advice.changes else now
    lines = list(advice_lines(place, now, advice, then))
    if plot is not None:
        other = then if advice.changes else None
        plot_course(plot, question=place.question, now=now, then=other, title=place.title)
    if as_json:
        told = {"now": tables.as_dict(place, now), "advised": tables.as_dict(advice.place, then)}
        _print_json(told | {"bottleneck": advice.bottleneck, "changes": tables.changes_dict(advice), "advice": lines})
    else:
        out.print(tables.outcome_table(place, now, advice, then))
        out.print(tables.standing_table(place))
        for line in lines:
            out.print(line, markup=False, highlight=False, soft_wrap=True)
    _tell_of(plot)


def _show_sweep(
    corpus: str | None, asked: Asked, *, executor: str, settings: dict[str, Any], as_json: bool, plot: Path | None
) -> None:
    from phrasemill.cli import simulate_tables as tables  # noqa: PLC0415
    from phrasemill.simulation.plot import plot_sweep  # noqa: PLC0415
    from phrasemill.simulation.sweep import sweep as fleets  # noqa: PLC0415

    steps: Sequence[Step] = list(
        fleets(lambda gpus: _place(corpus, asked, executor=executor, settings=settings, gpus=gpus))
    )
    if plot is not None:
        plot_sweep(plot, steps=steps, title=f"{steps[0].place.question.phrases:,} phrases of {asked.question.model}")
    if as_json:
        _print_json({"fleets": [tables.step_dict(step) for step in steps]})
    else:
        out.print(tables.sweep_table(steps))
    _tell_of(plot)


def _print_json(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content, indent=1) + "\n")


def _tell_of(plot: Path | None) -> None:
    if plot is not None:
        err.print(f"wrote {plot}", markup=False, highlight=False, soft_wrap=True)
