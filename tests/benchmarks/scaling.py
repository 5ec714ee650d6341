"""The plots and tables of docs/scaling.md, simulated: `python -m tests.benchmarks.scaling`.

The tables stand between comments of their own name in the document, and are replaced there.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

from phrasemill.cli.simulate_tables import setting_cells
from phrasemill.forecast.question import NO_EVIDENCE, Question, Target
from phrasemill.simulation import Failures, Outcome, simulate
from phrasemill.simulation import Question as Asked
from phrasemill.simulation.changes import advise, suited
from phrasemill.simulation.place import SIZES, Place, place_of
from phrasemill.simulation.plot import figure as drawn_to
from phrasemill.simulation.plot import gpu_axis
from phrasemill.simulation.sweep import FLEETS, Step, sweep
from phrasemill.simulation.words import percent, time_words

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = DOCS / "scaling.md"
TARGETS = {"10 million": 1e7, "100 million": 1e8, "1 billion": 1e9, "10 billion": 1e10}
TABLED = ("1 billion", "10 billion")
COLOURS = ("#1f6fb4", "#c25e00", "#2a8a4a", "#7a4fa3", "#999999")
SHARDS_SHOWN = (25_000, 100_000, 250_000, 1_000_000)
TASK_RATES = (1.3, 1.7, 2.1)
LOSSES = (1.0, 5.0, 10.0, 20.0)
CRASHES = (0.1, 1.0, 5.0)
SMALL_WORKER = 4
SEEDS = range(8)
FAILING_GPUS = 64


def place(phrases: float, gpus: int, **settings: object) -> Place:
    """An English corpus through a 1.5B model on H100s, all settings as they are shipped."""
    question = Question(target=Target(phrases=phrases), gpus=gpus)
    return place_of(question, evidence=NO_EVIDENCE, executor="local", settings=settings)


def fleets(phrases: float) -> list[Step]:
    return list(sweep(lambda gpus: place(phrases, gpus)))


def draw_hours(swept: dict[str, list[Step]]) -> None:
    with drawn_to(DOCS / "scaling-hours.png", title="Time of a corpus: as shipped, and as advised") as figure:
        axes = figure.subplots()
        for (name, steps), colour in zip(swept.items(), COLOURS, strict=False):
            gpus = [step.gpus for step in steps]
            axes.plot(gpus, [step.advice.now.seconds / 3600 for step in steps], "--", color=colour, linewidth=1)
            hours = [step.advice.then.seconds / 3600 for step in steps]
            axes.plot(gpus, hours, "o-", color=colour, markersize=4, label=f"{name} phrases")
        axes.set_yscale("log")
        axes.set_yticks([0.1, 1, 10, 100, 1000], ["6 min", "1 h", "10 h", "100 h", "1,000 h"])
        axes.set_ylabel("time (dashed: nothing changed but the pool)")
        gpu_axis(axes, FLEETS)
        axes.legend()


def draw_shards() -> None:
    sizes = [size for size in SIZES if size >= 10_000]
    title = "Engines busy against the size of shards, 1 billion phrases, every other limit as the fleet wants it"
    with drawn_to(DOCS / "scaling-shards.png", title=title) as figure:
        axes = figure.subplots()
        for gpus, colour in zip((1, 8, 32, 128, 512), COLOURS, strict=True):
            base = place(1e9, gpus)
            busy = [100 * sampled(suited(base, size)).busy for size in sizes]
            axes.plot(sizes, busy, "o-", color=colour, markersize=4, label=f"{gpus} GPU{'s'[: gpus > 1]}")
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size // 1000}k" if size < 1e6 else "1M" for size in sizes])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("phrases of a shard")
        axes.set_ylabel("engines busy, %")
        axes.set_ylim(0, 102)
        axes.grid(alpha=0.3)
        figure.legend(loc="outside right center")


def draw_airflow() -> None:
    title = "Where starting tasks bounds: 1.3 to 2.1 tasks a second (band), every other limit as the fleet wants it"
    with drawn_to(DOCS / "scaling-airflow.png", title=title) as figure:
        axes = figure.subplots()
        for size, colour in zip(SHARDS_SHOWN, COLOURS, strict=False):
            low, usual, high = (
                [100 * sampled(suited(place(1e9, gpus, starts_per_s=rate), size)).busy for gpus in FLEETS]
                for rate in TASK_RATES
            )
            axes.plot(FLEETS, usual, "o-", color=colour, markersize=4, label=f"shards of {size:,}")
            axes.fill_between(FLEETS, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set_ylabel("engines busy, %")
        axes.set_ylim(0, 102)
        gpu_axis(axes, FLEETS)
        axes.legend(loc="lower left")


def draw_failures() -> list[str]:
    """Draw what failures cost; returns the lines of the table."""
    base = advise(place(1e9, FAILING_GPUS)).place.question
    calm = simulate(base).seconds
    small = -(-base.workers * base.worker_tasks // SMALL_WORKER)
    cases = {
        f"{base.workers} workers of {base.worker_tasks} tasks": base,
        f"{small} workers of {SMALL_WORKER} tasks": replace(base, workers=small, worker_tasks=SMALL_WORKER),
        f"{base.workers} workers, heartbeat timeout 60 s": replace(base, failures=Failures(detection_s=65.0)),
    }
    lines = ["| | what fails | longer by | written twice |", "|---|---|---|---|"]

    def cost(question: Asked, label: str, what: str, **failing: float) -> float:
        asked = replace(question, failures=replace(question.failures, **failing))
        outcomes = [simulate(replace(asked, seed=seed)) for seed in SEEDS]
        longer = 100 * (mean(one.seconds for one in outcomes) / calm - 1)
        redone = 100 * mean(one.phrases_redone for one in outcomes) / base.phrases
        lines.append(f"| {label} | {what} | {round(longer, 1) + 0.0:.1f} % | {redone:.2f} % |")
        return longer

    title = f"What failures cost: 1 billion phrases on {FAILING_GPUS} GPUs, as advised (mean of {len(SEEDS)} seeds)"
    with drawn_to(DOCS / "scaling-failures.png", title=title, inches=(9.0, 4.2)) as figure:
        workers, engines = figure.subplots(1, 2)
        for (label, question), colour in zip(cases.items(), COLOURS, strict=False):
            longer = [
                cost(question, label, f"workers, {losses:g} an hour", worker_losses_per_hour=losses)
                for losses in LOSSES
            ]
            workers.plot(LOSSES, longer, "o-", color=colour, markersize=4, label=label)
        longer = [
            cost(base, next(iter(cases)), f"engines, {crashes:g} an hour and GPU", crashes_per_gpu_hour=crashes)
            for crashes in CRASHES
        ]
        engines.plot(CRASHES, longer, "o-", color=COLOURS[0], markersize=4)
        workers.set_xlabel("workers that die, an hour, of the whole fleet")
        engines.set_xlabel("engines that die, an hour and GPU of four engines")
        workers.set_ylabel("longer by, %")
        workers.legend()
        for axes in (workers, engines):
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.3)
    return lines


def sampled(asked: Place) -> Outcome:
    """The outcome of one full run of a place's corpus."""
    question = asked.question
    phrases = min(question.phrases, question.shards_a_run * question.shard_phrases)
    return simulate(replace(question, phrases=phrases))


def table(steps: Sequence[Step]) -> list[str]:
    """A fleet a line; what must change is bold."""
    lines = [
        "| GPUs | as shipped | busy | shards of | slots | gate | publish | tasks | executor | starts/s | then | busy |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for step in steps:
        now, then = step.advice.now, step.advice.then
        told = [f"**{words}**" if changed else words for words, changed in setting_cells(step)]
        ends = [time_words(then.seconds), percent(then.busy)]
        lines.append(
            "| " + " | ".join([f"{step.gpus}", time_words(now.seconds), percent(now.busy), *told, *ends]) + " |"
        )
    return lines


def put(name: str, lines: Sequence[str]) -> None:
    """Replace what stands between the comments of this name in the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    found = pattern.search(text)
    if found is None:
        raise SystemExit(f"{DOCUMENT} has no place for the table {name!r}")
    body = "\n".join(lines) + "\n"
    DOCUMENT.write_text(text[: found.start()] + found[1] + body + found[2] + text[found.end() :], encoding="utf-8")


def main() -> None:
    """Simulate, draw, and write the tables."""
    swept = {}
    for name, phrases in TARGETS.items():
        swept[name] = fleets(phrases)
        sys.stdout.write(f"{name}: done\n")
    draw_hours(swept)
    for name in TABLED:
        put(name, table(swept[name]))
    draw_shards()
    draw_airflow()
    put("failures", draw_failures())
    sys.stdout.write(f"wrote {DOCUMENT} and its plots\n")


if __name__ == "__main__":
    main()
