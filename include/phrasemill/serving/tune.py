"""Finds the settings that give the most accepted phrases a second on the machine at hand, and writes them as a profile.

The rule of what is tried for how long is `tune_plan.Race`; how one candidate is measured, `tune_measure`; what counts
as its rate, `tune_race.rates`.

Starting engines is the dear part, 30 to 150 s. So candidates that differ in what engines are started with
(quantisation, max_num_seqs) go by groups; a group's engines are started once, as many a GPU as any of its candidates
asks for, and a candidate with fewer is measured on some of them while the others idle. Limit: idle engines keep their
share of the GPU's memory (and of the CPU's cores, where engines are bound to cores), so a smaller count has less KV
cache here than it would have alone. It matters where a candidate's prompts in flight do not fit into that share; the
winner's figures then are a lower bound, and tuning with that count alone gives its own.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from phrasemill.errors import EnginesDown
from phrasemill.fingerprint import fingerprint
from phrasemill.serving.errors import EngineFailed, ProfileError, ServingError, TooLittleMemory
from phrasemill.serving.profiles import Profile, dump_profile
from phrasemill.serving.tune_measure import CorpusHopeless, Measurer
from phrasemill.serving.tune_plan import Candidate, TunePlan, engines_in_words, with_settings
from phrasemill.serving.tune_plot import PlotUnavailable, plot_tuning
from phrasemill.serving.tune_race import best_of, is_clear_loser, rates, survivors
from phrasemill.serving.tune_record import Identity, Measurement, TuneRecord, fixed_settings
from phrasemill.serving.tune_table import markdown_table, measured_line, notes_on, tuned_profile
from phrasemill.spec import CorpusSpec
from phrasemill.whole_file import write_whole

Serve = Callable[[Profile, int], AbstractAsyncContextManager[list[str]]]
"""Starts engines: a profile and engines a GPU -> their URLs, those of the first GPU first, then those of the next.
Leaving the context stops them."""
Say = Callable[[str], None]


class TuneFailed(ServingError):
    """Not one candidate could be measured; the message says why."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What is measured on: machine and vLLM in words (`describe_machine`), the model as it was named to be served.

    `gpus` are NVML's indices of the GPUs that engines run on.
    """

    machine: str
    model: str
    vllm: str
    gpus: tuple[int, ...] = ()
    api_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TuneOutcome:
    """What came of it. Rates are accepted phrases a second; paths are those of the files written."""

    profile: Profile
    best: Measurement
    phrases_per_s: float
    measurements: tuple[Measurement, ...]
    notes: tuple[str, ...]
    """What to know of the result, in words: a client that set the pace, another n that gives more."""
    profile_path: Path
    table_path: Path
    plot_path: Path | None


async def tune(
    spec: CorpusSpec, plan: TunePlan, *, bench: Bench, serve: Serve, record_path: Path, on_event: Say
) -> TuneOutcome:
    """Measure the plan's candidates, or go on where a record ends, and write profile, table and plot beside it.

    Args:
        spec: gives prompts, sampling and rules.
        plan: what to try.
        bench: what it is measured on.
        serve: starts engines.
        record_path: JSON lines; profile (.yaml), table (.md) and plot (.svg) get its name.
        on_event: told what happens, a line at a time.

    Raises:
        RecordRefused: the record is of something else, damaged or in use.
        CorpusHopeless: nearly all that the model writes is rejected.
        EngineRefused: wrong key, model or path.
        TuneFailed: nothing could be measured.
        ServingError: engines do not start.
    """
    identity = Identity(
        machine=bench.machine,
        model=bench.model,
        vllm=bench.vllm,
        corpus=spec.name,
        fingerprint=fingerprint(spec),
        profile=fixed_settings(plan.profile),
    )
    with TuneRecord(record_path, identity) as record:
        run = _Run(spec, plan, bench=bench, serve=serve, record=record, say=on_event)
        await run.all_heats()
    return _write(spec, plan, bench=bench, run=run, record_path=record_path, say=on_event)


class _Run:
    """One run over all heats of a plan; `seen` is what it measured or found in the record."""

    def __init__(
        self, spec: CorpusSpec, plan: TunePlan, *, bench: Bench, serve: Serve, record: TuneRecord, say: Say
    ) -> None:
        self._plan = plan
        self._record = record
        self._say = say
        self._engines = _Engines(plan, serve=serve, say=say)
        self._measurer = Measurer(spec, race=plan.race, api_key=bench.api_key, gpus=bench.gpus)
        self.seen: list[Measurement] = []
        self.why: ServingError | None = None
        """Why a heat was given up, the latest."""

    async def all_heats(self) -> None:
        """Run every heat; engines that the next one needs too are kept."""
        left = self._plan.left(lambda candidate, window_s: self._record.find(candidate, window_s) is not None)
        self._say(
            f"{len(self._plan.candidates)} candidates; at most {left.measurements} measurements are to be made, in "
            f"about {max(1, round(left.seconds / 60))} min, starting engines included"
        )
        best = 0.0
        async with self._engines:
            for heat in self._plan.heats():
                try:
                    await self._race(heat, best)
                except (CorpusHopeless, ProfileError, TooLittleMemory, EngineFailed) as error:
                    self.why = error
                    self._say(f"given up: all like {heat[0].words()}: {error}")
                if top := best_of(self.seen):
                    best = top[1]

    async def _race(self, heat: Sequence[Candidate], best_elsewhere: float) -> None:
        """Successive halving over the candidates of one heat."""
        candidates = list(heat)
        rungs = self._plan.race.rungs(len(heat))
        for rung, (size, window_s) in enumerate(rungs):
            results = [
                one for candidate in candidates[:size] if (one := await self._result(candidate, window_s)) is not None
            ]
            if rung == 0 and len(rungs) > 1 and is_clear_loser(results, best_elsewhere):
                self._say(f"left: all like {heat[0].words()} are far behind the best so far")
                return
            candidates = survivors(results, size, seen=self.seen)

    async def _result(self, candidate: Candidate, window_s: float) -> Measurement | None:
        """From the record, or measured now; None if not so many engines can be started."""
        one = self._record.find(candidate, window_s)
        if one is None:
            fresh = await self._engines.start(candidate)
            if candidate.engines_per_gpu > self._engines.per_gpu:
                return None
            one = await self._measure(candidate, window_s, warm_up=fresh)
            self._record.add(one)
        self.seen.append(one)
        self._say(measured_line(one, rates(self.seen)[-1]))
        return one

    async def _measure(self, candidate: Candidate, window_s: float, *, warm_up: bool) -> Measurement:
        urls = self._engines.urls(candidate.engines_per_gpu)
        try:
            if warm_up:
                await self._measurer.warm_up(candidate, self._engines.urls(self._engines.per_gpu))
            return await self._measurer.measure(
                candidate, urls, window_s=window_s, resident_per_gpu=self._engines.per_gpu
            )
        except EnginesDown as error:
            return Measurement(
                candidate=candidate,
                window_s=window_s,
                at=dt.datetime.now(dt.UTC),
                engines=len(urls),
                resident_per_gpu=self._engines.per_gpu,
                failed=str(error),
            )


class _Engines:
    """The engines that run now: those of one group at most, as many a GPU as any of its candidates asks for."""

    def __init__(self, plan: TunePlan, *, serve: Serve, say: Say) -> None:
        self._plan = plan
        self._serve = serve
        self._say = say
        self._running: tuple[str | None, int] | None = None
        self._refused: dict[tuple[str | None, int], ServingError] = {}
        self._urls: list[str] = []
        self._stack = AsyncExitStack()
        self.per_gpu = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def urls(self, per_gpu: int) -> list[str]:
        """The first so many engines of each GPU."""
        return [url for index, url in enumerate(self._urls) if index % self.per_gpu < per_gpu]

    async def start(self, candidate: Candidate) -> bool:
        """Start the engines of a candidate's group, unless they run; true if they were started now.

        Where so many do not start, fewer are tried.

        Raises:
            ProfileError, TooLittleMemory, EngineFailed: not even the fewest of the group's counts start.
        """
        if self._running == candidate.start:
            return False
        if refusal := self._refused.get(candidate.start):
            raise refusal
        await self._stack.aclose()
        self._running = None
        counts = {other.engines_per_gpu for other in self._plan.candidates if other.start == candidate.start}
        for count in sorted(counts, reverse=True):
            self._say(f"starting {engines_in_words(count)} of {candidate.max_num_seqs} sequences")
            try:
                profile = with_settings(
                    self._plan.profile,
                    candidate.settings | {"engines_per_gpu": count},
                    source="derived: tried by phrasemill tune",
                )
                self._urls = await self._stack.enter_async_context(self._serve(profile, count))
            except (ProfileError, TooLittleMemory, EngineFailed) as error:
                self._refused[candidate.start] = error
                self._say(f"{engines_in_words(count)} cannot be started: {error}")
            else:
                self._running, self.per_gpu = candidate.start, count
                return True
        raise self._refused[candidate.start]


def _write(spec: CorpusSpec, plan: TunePlan, *, bench: Bench, run: _Run, record_path: Path, say: Say) -> TuneOutcome:
    """Choose the best and write it, its table and its plot beside the record."""
    own = [one for one in run.seen if one.candidate.n == spec.sampling.n]
    top = best_of(own) or best_of(run.seen)
    if top is None:
        if run.why:
            raise run.why
        why = run.seen[-1].failed if run.seen else "no candidate asks for so few engines as can be started"
        raise TuneFailed(f"{record_path}: not one candidate could be measured; {why}")
    best, phrases_per_s = top
    notes = notes_on(best, run.seen, corpus_n=spec.sampling.n)
    profile = tuned_profile(plan.profile, best, run.seen, machine=bench.machine)
    paths = {suffix: record_path.with_suffix(suffix) for suffix in (".yaml", ".md", ".svg")}
    title = f"{bench.model}, corpus {spec.name}, on {bench.machine}, vLLM {bench.vllm}"
    write_whole(paths[".yaml"], dump_profile(profile))
    write_whole(paths[".md"], markdown_table(run.seen, best=best, title=title, notes=notes))
    plot_path: Path | None = paths[".svg"]
    try:
        plot_tuning(run.seen, best=best, title=title, path=paths[".svg"])
    except PlotUnavailable as error:
        plot_path = None
        say(str(error))
    say(f"best: {best.candidate.words()}: {phrases_per_s:.1f} phrases/s")
    for note in notes:
        say(f"note: {note}")
    return TuneOutcome(
        profile=profile,
        best=best,
        phrases_per_s=phrases_per_s,
        measurements=tuple(run.seen),
        notes=tuple(notes),
        profile_path=paths[".yaml"],
        table_path=paths[".md"],
        plot_path=plot_path,
    )
