"""Sides ground on fake engines: what is measured, what fails as a row, what Ctrl-C leaves."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from phrasemill.comparison.figures import SideFigures
from phrasemill.comparison.grinding import WARM_PHRASES, grind_side
from phrasemill.comparison.run import compare_sides
from phrasemill.comparison.sides import Side
from phrasemill.comparison.table import FIGURES, markdown
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.outage import Patience
from phrasemill.progress import Progress
from tests.comparison.test_sides import sides
from tests.grinding import wait_until

BRIEF = Patience(list_s=30, outage_s=1, silence_s=30, watch_s=0.2)
DEAD = "http://127.0.0.1:9"  # discard: nobody listens


@dataclass
class Notes:
    """A watcher that notes; it presses Ctrl-C when a side of that name begins."""

    interrupt_at: str = ""
    begun: list[str] = field(default_factory=list)
    ended: list[SideFigures] = field(default_factory=list)
    looks: int = 0

    def begin(self, side: Side) -> None:
        if side.name == self.interrupt_at:
            raise KeyboardInterrupt
        self.begun.append(side.name)

    def look(self, progress: Progress) -> None:
        self.looks += 1

    def end(self, figures: SideFigures) -> None:
        self.ended.append(figures)


@pytest.fixture(scope="module")
def refusing() -> Iterator[FakeEngineProcess]:
    with FakeEngineProcess(model="tiny-model", text="refusals") as engine:
        yield engine


@pytest.fixture(scope="module")
def half_bad() -> Iterator[FakeEngineProcess]:
    with FakeEngineProcess(model="tiny-model", bad_modes=("refusals",), bad_share=0.5, seed=1) as engine:
        yield engine


def test_a_good_and_a_half_bad_engine_side_by_side(
    tiny: Path, engine: FakeEngineProcess, half_bad: FakeEngineProcess
) -> None:
    both = sides(tiny, engines=[f"good={engine.url} price.per_gpu_hour=2", f"half={half_bad.url}"])
    notes = Notes()
    outcome = compare_sides(both, phrases=60, notes=["noted"], watcher=notes, patience=BRIEF)
    good, half = outcome.comparison.sides
    assert (good.state, half.state, outcome.stopped) == ("measured", "measured", False)
    assert notes.begun == ["good", "half"]
    assert notes.looks >= 2
    assert good.phrases == half.phrases == 60
    assert good.judged == 60
    assert half.judged == 60 + sum(half.rejects.values())
    assert half.rejects["meta"] > 20
    assert good.accept_share is not None
    assert half.accept_share is not None
    assert half.accept_share.high < good.accept_share.low
    assert good.cost is not None
    assert half.cost is None
    assert good.backend == "vllm"
    assert "/v1/completions" in good.asked
    assert half.completion_tokens_a_phrase is not None
    assert good.completion_tokens_a_phrase is not None
    assert half.completion_tokens_a_phrase > good.completion_tokens_a_phrase
    assert outcome.comparison.notes[-1] == "noted"


def test_what_warms_an_engine_up_is_not_counted(tiny: Path, engine: FakeEngineProcess) -> None:
    (side,) = sides(tiny, engines=[engine.url])
    ground = asyncio.run(grind_side(side, patience=BRIEF))
    assert ground.facts.accepted == 60
    assert engine.state()["phrases"] >= 60 + WARM_PHRASES


def test_samples_are_of_the_same_prompts_whatever_n(tiny: Path, engine: FakeEngineProcess) -> None:
    both = sides(tiny, engines=[engine.url], vary=["sampling.n=1,4"])
    one, four = (asyncio.run(grind_side(side, patience=BRIEF)) for side in both)
    assert one.rows is not None
    assert four.rows is not None
    for rank in range(15):
        assert four.rows.column("slots")[4 * rank].as_py() == one.rows.column("slots")[rank].as_py()
    outcome = compare_sides(both, phrases=60, notes=(), watcher=Notes(), patience=BRIEF)
    assert len(outcome.comparison.samples) == 10
    assert all(None not in sample.texts for sample in outcome.comparison.samples)
    assert outcome.comparison.samples[0].slots == dict(one.rows.column("slots")[0].as_py())


def test_a_hopeless_side_a_dead_engine_and_another_model_are_rows(
    tiny: Path, engine: FakeEngineProcess, refusing: FakeEngineProcess
) -> None:
    four = sides(
        tiny,
        engines=[
            f"dead={DEAD}",
            f"hopeless={refusing.url}",
            f"other={engine.url} model.name=another",
            f"good={engine.url}",
        ],
    )
    outcome = compare_sides(four, phrases=60, notes=(), watcher=Notes(), patience=BRIEF)
    dead, hopeless, other, good = outcome.comparison.sides
    assert [side.state for side in outcome.comparison.sides] == ["failed", "hopeless", "failed", "measured"]
    assert "no engine answers" in dead.trouble
    assert "another" in other.trouble
    assert hopeless.phrases_per_s is None
    assert hopeless.accept_share is not None
    assert hopeless.accept_share.likely == 0
    assert hopeless.rejects["meta"] > 0
    assert outcome.comparison.samples[0].texts[:3] == (None, None, None)
    assert outcome.comparison.samples[0].texts[3] is not None
    assert [FIGURES["phrases/s"](side) for side in (dead, hopeless)] == ["failed", "hopeless"]
    assert good.name in markdown(outcome.comparison)


def test_an_engine_of_a_side_that_is_away_is_told(tiny: Path, engine: FakeEngineProcess) -> None:
    (side,) = sides(tiny, engines=[f"{engine.url},{DEAD}"])
    outcome = compare_sides([side], phrases=60, notes=(), watcher=Notes(), patience=BRIEF)
    (found,) = outcome.comparison.sides
    assert found.state == "measured"
    assert f"{DEAD} is left out" in found.trouble


def test_ctrl_c_keeps_what_was_measured(tiny: Path, engine: FakeEngineProcess) -> None:
    three = sides(tiny, engines=[engine.url], side=["a:", "b:", "c:"])
    outcome = compare_sides(three, phrases=60, notes=(), watcher=Notes(interrupt_at="b"), patience=BRIEF)
    assert outcome.stopped
    assert [side.state for side in outcome.comparison.sides] == ["measured", "not run", "not run"]
    assert outcome.comparison.samples[0].texts[1:] == (None, None)


class TestCommand:
    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | environment,
        )

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "phrasemill", "compare", *arguments]

    def test_prints_a_table_and_writes_a_folder(self, tiny: Path, tmp_path: Path, engine: FakeEngineProcess) -> None:
        to = tmp_path / "made" / "here"
        sides = ["--side", "plain:", "--side", "n4: sampling.n=4"]
        done = self.run(str(tiny), *sides, "--phrases", "20", "--to", str(to), PHRASEMILL_ENGINES=engine.url)
        assert done.returncode == 0, done.stderr
        for name in (*FIGURES, "plain", "n4", "at_work", "seen:"):
            assert (name in done.stdout) == (name != "at_work"), name
        assert sorted(path.name for path in to.iterdir()) == ["comparison.html", "comparison.json", "comparison.md"]
        kept = json.loads((to / "comparison.json").read_text())
        assert [side["state"] for side in kept["sides"]] == ["measured", "measured"]

    def test_an_interrupt_in_the_middle_of_a_side_keeps_the_others(
        self, tiny: Path, tmp_path: Path, engine: FakeEngineProcess
    ) -> None:
        with FakeEngineProcess(model="tiny-model", tokens_per_second=40) as slow:
            running = subprocess.Popen(
                self.command(
                    *(str(tiny), "--engines", f"quick={engine.url}", "--engines", f"slow={slow.url}"),
                    *("--phrases", "60", "--to", str(tmp_path / "out")),
                ),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            try:
                wait_until(lambda: running.poll() is not None or slow.state()["lists_in_flight"], timeout_s=60)
                running.send_signal(signal.SIGINT)
                stdout, stderr = running.communicate(timeout=60)
            finally:
                running.kill()
        assert running.returncode == 130, stderr
        assert "stopped" in stderr
        assert "quick" in stdout
        kept = json.loads((tmp_path / "out" / "comparison.json").read_text())
        assert [side["state"] for side in kept["sides"]] == ["measured", "not run"]

    def test_no_side_measured_is_an_error_of_one_line(self, tiny: Path) -> None:
        done = self.run(str(tiny), "--engines", DEAD, "--phrases", "20")
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == "no side could be measured; the table says why"

    def test_no_engines_is_told_before_anything_is_done(self, tiny: Path) -> None:
        done = self.run(str(tiny), PHRASEMILL_ENGINES="")
        assert (done.returncode, done.stdout) == (1, "")
        assert "no engine URL is given" in done.stderr
        assert "Traceback" not in done.stderr
