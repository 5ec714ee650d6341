"""The command `phrasemill tune`: the sweep of `phrasemill.serving.tune` on engines that it starts itself."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.serving import options
from phrasemill.serving.api_key import read_api_key
from phrasemill.serving.errors import ServingError
from phrasemill.serving.limits import Limits
from phrasemill.serving.order import KILL_AFTER_S, Ground, Order, launches, parse_gpus, parse_loras, survey
from phrasemill.serving.places import cache_folder, state_folder
from phrasemill.serving.profiles import Profile
from phrasemill.serving.start_display import StartDisplay
from phrasemill.serving.supervisor import Supervisor
from phrasemill.serving.tune import Bench, Serve, TuneOutcome
from phrasemill.serving.tune import tune as tune_engines
from phrasemill.serving.tune_plan import FULL, QUICK, TunePlan, plan_candidates
from phrasemill.serving.tune_record import describe_machine
from phrasemill.spec import CorpusSpec
from phrasemill.terminal import err, out

DRAIN_S = 1.0
"""What is in flight when a sweep leaves its engines is wanted by nobody."""
NO_QUANTISATION = "none"


def tune(
    corpus: Annotated[str, typer.Argument(help="A corpus's name, or the path of its file: its prompts are asked.")],
    *,
    model: options.Model,
    profile: options.ProfileName = None,
    gpus: options.Gpus = None,
    lora: options.Loras = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few candidates, short looks: 5 minutes on a CPU.")] = False,
    engines: Annotated[str | None, typer.Option(help="Engines on each GPU to try, such as 2,4,6.")] = None,
    lists: Annotated[str | None, typer.Option(help="Prompts in a request to try, such as 32,64.")] = None,
    in_flight: Annotated[str | None, typer.Option(help="Prompts in flight an engine to try.")] = None,
    sequences: Annotated[str | None, typer.Option(help="max_num_seqs to try.")] = None,
    samples: Annotated[
        str | None, typer.Option("--n", help="Samples of a prompt to try; default: the corpus's.")
    ] = None,
    quantization: Annotated[str | None, typer.Option(help="Quantisations to try, such as none,fp8.")] = None,
    record: Annotated[
        Path | None, typer.Option(help="Where to keep what is measured; default: tuning/CORPUS-PROFILE.jsonl.")
    ] = None,
    port: options.Port = 8000,
    python: options.Python = options.OWN_PYTHON,
    load_format: options.LoadFormat = None,
    state: options.State = None,
    caches: options.Caches = None,
) -> None:
    """Find the settings that give the most accepted phrases a second here, and write them as a profile.

    The profile, the table of all that was measured and a plot are written beside the record. Stopped, the same
    command goes on where it was.
    """
    spec = load_corpus(find_corpus(corpus))
    order = Order(
        model=model,
        served_name=spec.model.name,
        profile=profile,
        gpus=parse_gpus(gpus),
        loras=parse_loras(lora or []),
        port=port,
        api_key=read_api_key(None),
        python=options.absolute(python),
        caches=caches or cache_folder(),
        load_format=load_format,
        drain_s=DRAIN_S,
    )
    if spec.model.adapter and spec.model.adapter not in order.loras:
        raise ServingError(f"corpus {spec.name} asks for the adapter {spec.model.adapter}; give --lora NAME=FOLDER")
    ground = survey(order)
    candidates = plan_candidates(
        ground.profile,
        ns=_numbers("--n", samples) or (spec.sampling.n,),
        quick=quick,
        engines=_numbers("--engines", engines),
        list_sizes=_numbers("--lists", lists),
        in_flights=_numbers("--in-flight", in_flight),
        max_num_seqs=_numbers("--sequences", sequences),
        quantisations=_quantisations(quantization),
    )
    sweep = _tune(
        spec,
        TunePlan(ground.profile, candidates, QUICK if quick else FULL),
        order=order,
        ground=ground,
        record=record or Path("tuning") / f"{spec.name}-{ground.profile.name}.jsonl",
        state=state or state_folder(port),
    )
    try:
        outcome = asyncio.run(sweep)
    except asyncio.CancelledError:  # SIGTERM, see _ended_by_sigterm
        raise KeyboardInterrupt from None
    for path in (outcome.profile_path, outcome.table_path, outcome.plot_path):
        if path:
            out.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)
    out.print(f"serve with it: phrasemill serve --profile {outcome.profile_path} --model {model}", soft_wrap=True)


async def _tune(
    spec: CorpusSpec, plan: TunePlan, *, order: Order, ground: Ground, record: Path, state: Path
) -> TuneOutcome:
    bench = Bench(
        machine=describe_machine([gpu.name for gpu in ground.gpus]),
        model=order.model,
        vllm=ground.build.text,
        gpus=tuple(gpu.index for gpu in ground.gpus),
        api_key=order.api_key,
    )
    with _ended_by_sigterm():
        return await tune_engines(
            spec, plan, bench=bench, serve=_server(order, ground, state=state), record_path=record, on_event=_say
        )


def _server(order: Order, ground: Ground, *, state: Path) -> Serve:
    @contextlib.asynccontextmanager
    async def serve(profile: Profile, engines_per_gpu: int) -> AsyncIterator[list[str]]:
        planned = launches(replace(order, engines_per_gpu=engines_per_gpu), replace(ground, profile=profile))
        limits = Limits(start_s=profile.start_s, drain_s=DRAIN_S + KILL_AFTER_S)
        display = StartDisplay(err)
        supervisor = Supervisor(planned, state=state, limits=limits, api_key=order.api_key, on_change=display.show)
        async with supervisor:
            with display:
                await supervisor.all_healthy()
            yield [launch.url for launch in planned]

    return serve


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end this task as Ctrl-C does, so that no engine is left."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is not None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _say(line: str) -> None:
    err.print(line, highlight=False, markup=False, soft_wrap=True)


def _numbers(option: str, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and int(part) for part in parts):
        raise ServingError(f"{option} {text}: give numbers above 0, such as 2,4,6")
    return tuple(int(part) for part in parts)


def _quantisations(text: str | None) -> tuple[str | None, ...] | None:
    if text is None:
        return None
    return tuple(None if part.strip() == NO_QUANTISATION else part.strip() for part in text.split(","))
