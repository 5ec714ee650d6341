"""Tuning on fake engines: with 4 in flight one writes about 75 phrases a second, with 32 about 220."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.errors import EngineRefused
from phrasemill.fingerprint import fingerprint
from phrasemill.serving.errors import ProfileError, TooLittleMemory
from phrasemill.serving.profiles import load_profile
from phrasemill.serving.tune import Bench, TuneFailed, TuneOutcome, tune
from phrasemill.serving.tune_measure import CorpusHopeless
from phrasemill.serving.tune_plan import Race, TunePlan, plan_candidates
from phrasemill.serving.tune_record import RecordRefused
from phrasemill.spec import CorpusSpec
from tests.grinding import quick_spec
from tests.serving.tuning import Served, make_profile

BENCH = Bench(machine="a bench of 2 cores", model="tiny-model", vllm="0.20.2")
SHORT = Race(windows_s=(0.1, 0.2), ramp_s=0.1, longest_ramp_s=0.2)
WIDE = {"engines": [1, 2], "list_sizes": [2], "in_flights": [4, 32]}


@pytest.fixture(scope="module")
def _pair() -> Iterator[list[FakeEngineProcess]]:
    settings: dict[str, Any] = {"model": "tiny-model", "latency_ms": 40, "tokens_per_second": 8000, "max_num_seqs": 256}
    with FakeEngineProcess(**settings) as one, FakeEngineProcess(**settings) as other:
        yield [one, other]


@pytest.fixture
def pair(_pair: list[FakeEngineProcess]) -> list[FakeEngineProcess]:
    for engine in _pair:
        if not engine.alive:
            engine.start()
        engine.reset()
    return _pair


def make_plan(*, ns: tuple[int, ...] = (1,), race: Race = SHORT, profile: Any = None, **axes: Any) -> TunePlan:
    profile = profile or make_profile()
    return TunePlan(profile, plan_candidates(profile, ns=ns, **({"engines": [1]} | axes)), race)


def run(
    plan: TunePlan,
    served: Served,
    record: Path,
    *,
    spec: CorpusSpec | None = None,
    bench: Bench = BENCH,
    **options: Any,
) -> TuneOutcome:
    said = options.pop("said", [])
    return asyncio.run(
        tune(spec or quick_spec(), plan, bench=bench, serve=served, record_path=record, on_event=said.append)
    )


def urls(engines: list[FakeEngineProcess]) -> list[str]:
    return [engine.url for engine in engines]


class TestChoice:
    def test_the_fastest_settings_win_and_are_written(self, pair: list[FakeEngineProcess], tmp_path: Path) -> None:
        said: list[str] = []
        served = Served(urls(pair))
        outcome = run(make_plan(**WIDE), served, tmp_path / "tune.jsonl", said=said)
        best = outcome.best.candidate
        assert (best.engines_per_gpu, best.in_flight) == (2, 32)
        assert outcome.best.window_s == 0.2
        assert outcome.phrases_per_s > 200
        assert [count for _, count in served.starts] == [2]
        assert served.running == 0

        written = load_profile(outcome.profile_path)
        assert written == outcome.profile
        assert (written.engines_per_gpu, written.list_size, written.in_flight) == (2, best.list_size, 32)
        assert written.sources["list_size"].startswith(f"measured {outcome.best.at.date()} on a bench of 2 cores by")
        assert written.sources["max_model_len"] == "derived: for a test"

        table = outcome.table_path.read_text()
        assert f"| **{outcome.phrases_per_s:.1f}** | none | 1 | 2 (2) | 64 | {best.list_size} | 32 |" in table
        assert table.count("\n| ") - 2 == len(outcome.measurements) == 4 + 2
        assert "4 candidates; at most 6 measurements" in said[0]
        assert said[-1].startswith(("best: 2 engines a device", "note: "))

    def test_a_smaller_count_asks_only_the_first_engines_of_each_gpu(
        self, pair: list[FakeEngineProcess], tmp_path: Path
    ) -> None:
        plan = make_plan(list_sizes=[8], in_flights=[32], engines=[1, 2], race=Race((0.2,), 0.1, 0.3))
        outcome = run(plan, Served(urls(pair)), tmp_path / "tune.jsonl")
        assert [(one.engines, one.resident_per_gpu) for one in outcome.measurements] == [(1, 2), (2, 2)]
        first, second = (engine.state()["phrases"] for engine in pair)
        assert first > 1.3 * second > 0

    def test_phrases_are_new_in_every_measurement(self, pair: list[FakeEngineProcess], tmp_path: Path) -> None:
        run(make_plan(list_sizes=[2, 8], in_flights=[32]), Served(urls(pair)), tmp_path / "tune.jsonl")
        prompts = [
            prompt
            for request in pair[0].requests()
            if request["path"] == "/v1/completions"
            for prompt in request["body"]["prompt"]
        ]
        assert len(prompts) > 100
        assert len(set(prompts)) == len(prompts)

    def test_what_more_samples_a_prompt_would_give_is_a_note_as_they_change_the_text(
        self, pair: list[FakeEngineProcess], tmp_path: Path
    ) -> None:
        for engine in pair:
            engine.faults(mode="text", text="empty", share=0.5, count=1_000_000)
        plan = make_plan(ns=(1, 4), list_sizes=[8], in_flights=[32])
        outcome = run(plan, Served(urls(pair)), tmp_path / "tune.jsonl")
        assert outcome.best.candidate.n == 1
        assert 0.3 < outcome.best.reject_share < 0.7
        assert {one.candidate.n for one in outcome.measurements} == {1, 4}

    def test_another_group_has_its_own_start_with_its_own_profile(
        self, pair: list[FakeEngineProcess], tmp_path: Path
    ) -> None:
        served = Served(urls(pair))
        plan = make_plan(list_sizes=[8], in_flights=[32], quantisations=[None, "fp8"], max_num_seqs=[32])
        outcome = run(plan, served, tmp_path / "tune.jsonl")
        assert [(profile.quantization, profile.max_num_seqs) for profile, _ in served.starts] == [
            (None, 32),
            ("fp8", 32),
        ]
        assert outcome.profile.quantization == outcome.best.candidate.quantization


class TestGoingOn:
    def test_a_stopped_run_goes_on_where_its_record_ends(self, pair: list[FakeEngineProcess], tmp_path: Path) -> None:
        record = tmp_path / "tune.jsonl"
        plan = make_plan(**WIDE)
        served = Served(urls(pair))

        async def stopped_after_two() -> None:
            two = asyncio.Event()
            measured: list[str] = []

            def hear(line: str) -> None:
                if " phrases/s in " in line:
                    measured.append(line)
                if len(measured) == 2:
                    two.set()

            work = asyncio.create_task(
                tune(quick_spec(), plan, bench=BENCH, serve=served, record_path=record, on_event=hear)
            )
            await asyncio.wait_for(two.wait(), 60)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work

        asyncio.run(stopped_after_two())
        assert served.running == 0
        before = record.read_text().splitlines()
        assert 3 <= len(before) < 7  # on a busy machine a third one may end before the work hears that it must stop

        said: list[str] = []
        outcome = run(plan, served, record, said=said)
        after = record.read_text().splitlines()
        assert after[: len(before)] == before
        assert len(after) == 1 + len(outcome.measurements) == 1 + 4 + 2
        assert f"at most {7 - len(before)} measurements" in said[0]

    def test_a_finished_run_is_told_again_without_any_engine(
        self, pair: list[FakeEngineProcess], tmp_path: Path
    ) -> None:
        record = tmp_path / "tune.jsonl"
        plan = make_plan(list_sizes=[2, 8], in_flights=[32])
        first = run(plan, Served(urls(pair)), record)
        idle = Served([])
        again = run(plan, idle, record)
        assert idle.starts == []
        assert (again.best, again.profile) == (first.best, first.profile)

    def test_a_record_of_another_version_of_the_corpus_is_refused_before_engines_start(
        self, pair: list[FakeEngineProcess], tmp_path: Path
    ) -> None:
        record = tmp_path / "tune.jsonl"
        plan = make_plan(list_sizes=[8], in_flights=[32], race=Race((0.1,), 0.1, 0.2))
        run(plan, Served(urls(pair)), record)
        served, other = Served(urls(pair)), quick_spec(sampling={"temperature": 0.3})
        with pytest.raises(RecordRefused, match=f"fingerprint is '{fingerprint(other)}' here"):
            run(plan, served, record, spec=other)
        assert served.starts == []


class TestTrouble:
    plan = make_plan(list_sizes=[2, 8], in_flights=[32])

    def test_a_model_that_breaks_all_rules_is_told_in_one_line(
        self, pair: list[FakeEngineProcess], tmp_path: Path
    ) -> None:
        pair[0].faults(mode="text", text="refusals", count=1_000_000)
        with pytest.raises(CorpusHopeless) as hopeless:
            run(self.plan, Served(urls(pair)), tmp_path / "tune.jsonl")
        assert str(hopeless.value).startswith("model 'tiny-model' and the rules of corpus 'tiny' do not fit")
        assert "meta" in str(hopeless.value)
        assert "\n" not in str(hopeless.value)
        assert pair[0].state()["lists_in_flight"] == 0

    def test_a_slow_model_that_breaks_all_rules_is_found_out_too(
        self, pair: list[FakeEngineProcess], tmp_path: Path
    ) -> None:
        pair[0].faults(mode="text", text="refusals", count=1_000_000)
        plan = make_plan(list_sizes=[8], in_flights=[16], race=Race((0.4,), 0.1, 0.2))  # 170 a second
        with pytest.raises(CorpusHopeless, match="0 were accepted"):
            run(plan, Served(urls(pair)), tmp_path / "tune.jsonl")

    def test_where_so_many_engines_do_not_fit_fewer_are_measured(
        self, pair: list[FakeEngineProcess], tmp_path: Path
    ) -> None:
        said: list[str] = []
        served = Served(urls(pair), refuse={3: TooLittleMemory("3 engines need 90 GiB, 78 are free")})
        plan = make_plan(list_sizes=[8], in_flights=[32], engines=[1, 2, 3])
        outcome = run(plan, served, tmp_path / "tune.jsonl", said=said)
        assert [count for _, count in served.starts] == [3, 2]
        assert {one.candidate.engines_per_gpu for one in outcome.measurements} == {1, 2}
        assert any("3 engines need 90 GiB" in line for line in said)

    def test_a_quantisation_that_does_not_start_leaves_the_others(
        self, pair: list[FakeEngineProcess], tmp_path: Path
    ) -> None:
        class NoFp8(Served):
            def __call__(self, profile: Any, engines_per_gpu: int) -> Any:
                if profile.quantization:
                    raise ProfileError("this GPU has no fp8")
                return super().__call__(profile, engines_per_gpu)

        said: list[str] = []
        plan = make_plan(list_sizes=[8], in_flights=[32], quantisations=["fp8", None])
        outcome = run(plan, NoFp8(urls(pair)), tmp_path / "tune.jsonl", said=said)
        assert outcome.profile.quantization is None
        assert any(line.startswith("given up") and "no fp8" in line for line in said)

    def test_engines_that_never_start_are_an_error_of_their_own(self, tmp_path: Path) -> None:
        served = Served([], refuse={1: TooLittleMemory("1 engine needs 90 GiB")})
        with pytest.raises(TooLittleMemory, match="90 GiB"):
            run(self.plan, served, tmp_path / "tune.jsonl")

    def test_a_wrong_key_is_refused_at_once(self, tmp_path: Path) -> None:
        with FakeEngineProcess(model="tiny-model", api_key="right") as engine:
            served = Served([engine.url])
            wrong = Bench(machine="m", model="tiny-model", vllm="v", api_key="wrong")
            with pytest.raises(EngineRefused):
                run(self.plan, served, tmp_path / "tune.jsonl", bench=wrong)
            right = Bench(machine="m", model="tiny-model", vllm="v", api_key="right")
            outcome = run(self.plan, served, tmp_path / "tune.jsonl", bench=right)
            assert outcome.best.engine_tokens_per_s
            assert "right" not in (tmp_path / "tune.jsonl").read_text()
            assert "right" not in repr(right)

    def test_silent_engines_fail_their_candidates_and_then_the_run(
        self, pair: list[FakeEngineProcess], tmp_path: Path
    ) -> None:
        pair[0].faults(mode="hang", count=1_000_000)
        with pytest.raises(TuneFailed, match="no list came back"):
            run(make_plan(list_sizes=[8], in_flights=[32]), Served(urls(pair)), tmp_path / "tune.jsonl")
        assert '"failed":"no list came back in time"' in (tmp_path / "tune.jsonl").read_text()
