"""How long a shard still takes: the ETA and its range, and the lines that tell it."""

import io
from itertools import accumulate

import pytest
from rich.console import Console

from phrasemill.engines.engine import Breaker, Engine
from phrasemill.engines.pool import EnginePool
from phrasemill.facts import Facts
from phrasemill.grind_progress import GrindProgress
from phrasemill.planning import shard_of
from phrasemill.progress import LISTS_KEPT, Mark, Progress, Speedometer, eta_of
from phrasemill.ranges import Range
from tests.specs import make_spec


def marks(*counts: int, every_s: float = 5.0) -> list[Mark]:
    """A look every so often, each with so many phrases more."""
    return [Mark(100 + every_s * number, total, 0) for number, total in enumerate(accumulate((0, *counts)))]


def progress(eta: Range | None) -> Progress:
    return Progress(
        corpus="harbour",
        shard="shard-00003",
        rows=60,
        accepted=30,
        resumed=0,
        rejects={"too_short": 3},
        reject_share=0.1,
        phrases_per_s=2.5,
        tokens_per_s=60.0,
        eta=eta,
        in_flight={"http://e:1": "8/16"},
        prompt_tokens=3000,
        completion_tokens=1200,
        lists=4,
        list_seconds=(0.5, 1.0),
        engines_known=1,
        engines_up=1,
        prompts_in_flight=8,
    )


class TestEta:
    def test_the_likely_time_is_what_is_left_at_the_rate_of_the_window(self) -> None:
        eta = eta_of(3000, marks(500, 400, 600))
        assert eta is not None
        assert eta.likely == pytest.approx(3000 / 100)
        assert eta.low < eta.likely < eta.high

    def test_a_steady_rate_is_known_to_a_tenth_after_six_stretches(self) -> None:
        eta = eta_of(100_000, marks(*[10_000] * 6))
        assert eta is not None
        assert eta.high / eta.likely == pytest.approx(1.1, abs=0.01)
        assert eta.likely / eta.low == pytest.approx(1.1, abs=0.01)

    def test_an_unsteady_rate_is_known_less_well(self) -> None:
        steady, unsteady = eta_of(1000, marks(*[10_000] * 6)), eta_of(1000, marks(*[2_000, 18_000] * 3))
        assert steady is not None
        assert unsteady is not None
        assert unsteady.likely == pytest.approx(steady.likely)
        assert unsteady.high - unsteady.low > 3 * (steady.high - steady.low)

    def test_the_first_stretch_alone_does_not_pass_for_certainty(self) -> None:
        eta = eta_of(1000, marks(10_000))
        assert eta is not None
        assert eta.high / eta.likely == pytest.approx(1.6)

    def test_looks_in_quick_succession_are_taken_together(self) -> None:
        seldom, often = marks(*[500] * 6), marks(*[10] * 300, every_s=0.1)
        one, other = eta_of(1000, often), eta_of(1000, seldom)
        assert one is not None
        assert other is not None
        assert (one.low, one.high) == (pytest.approx(other.low, rel=0.05), pytest.approx(other.high, rel=0.05))

    def test_there_is_none_before_there_is_a_rate(self) -> None:
        assert eta_of(100, marks()) is None
        assert eta_of(100, marks(0, 0)) is None

    def test_a_full_shard_takes_no_time(self) -> None:
        assert eta_of(0, marks(60)) == Range.exactly(0)


class TestSpeedometer:
    def look(self, speed: Speedometer, facts: Facts | None = None, *engines: Engine) -> Progress:
        spec = make_spec()
        pool = EnginePool(["http://e:1"], spec)
        pool.engines = list(engines)
        return speed.progress(spec, shard_of(spec, 3), facts or Facts(), pool)

    def test_tells_each_lists_duration_once_in_order_and_their_number_for_good(self) -> None:
        speed = Speedometer(resumed=0)
        for seconds in (3.0, 1.0, 2.0):
            speed.note_list(seconds)
        first = self.look(speed)
        speed.note_list(0.5)
        second, third = self.look(speed), self.look(speed)
        assert [look.list_seconds for look in (first, second, third)] == [(1.0, 2.0, 3.0), (0.5,), ()]
        assert [look.lists for look in (first, second, third)] == [3, 4, 4]

    def test_keeps_the_last_durations_only_when_nobody_looks(self) -> None:
        speed = Speedometer(resumed=0)
        for number in range(LISTS_KEPT + 10):
            speed.note_list(number)
        look = self.look(speed)
        assert (look.lists, len(look.list_seconds), look.list_seconds[0]) == (LISTS_KEPT + 10, LISTS_KEPT, 10)

    def test_tells_engines_prompts_in_flight_and_tokens_of_this_run(self) -> None:
        busy = Engine("http://e:1", window=64, in_flight=40)
        away = Engine("http://e:2", window=64, in_flight=2, breaker=Breaker.OPEN)
        facts = Facts(accepted=5, prompt_tokens=70, completion_tokens=30)
        look = self.look(Speedometer(resumed=20), facts, busy, away)
        assert (look.engines_known, look.engines_up, look.prompts_in_flight) == (2, 1, 42)
        assert (look.accepted, look.prompt_tokens, look.completion_tokens) == (25, 70, 30)


class TestWords:
    def test_the_log_line_has_eta_and_range(self) -> None:
        line = progress(Range(low=660, likely=720, high=840)).line()
        assert "2.5 phrases/s, 60 tokens/s, ETA 12 min (11 to 14); rejected 10%" in line
        assert "ETA unknown;" in progress(None).line()

    def test_the_likely_value_stands_alone_for_metrics(self) -> None:
        assert progress(Range(low=660, likely=720, high=840)).eta_s == 720
        assert progress(None).eta_s is None

    def test_the_bar_of_the_command_shows_it_too(self) -> None:
        shown = io.StringIO()
        console = Console(file=shown, width=160, force_terminal=True)
        with GrindProgress(console, [{"label": "shard-00003", "phrases": 60}]) as bar:
            bar.update(progress(Range(low=660, likely=720, high=840)))
        assert "ETA 12 min (11 to 14)" in shown.getvalue()
