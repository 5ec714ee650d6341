"""Calibration: what is measured on running engines, what the record says, and where it is kept."""

import asyncio
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from phrasemill.cli.calibrate import calibrate as calibrate_command
from phrasemill.corpus_file import dump_corpus
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.metrics_page import Reading
from phrasemill.fingerprint import fingerprint
from phrasemill.forecast.calibrating import CalibrationFailed, calibrate
from phrasemill.forecast.calibration import Calibration, calibration_key, keep_calibration, read_calibration
from phrasemill.forecast.calibration_figures import (
    alone_fits,
    drain_of,
    one_after_the_other,
    steady_rate,
    window_parts,
)
from phrasemill.forecast.text_sample import text_figures
from phrasemill.ranges import Range
from phrasemill.serving.tune_counts import Counts
from phrasemill.serving.tune_measure import CorpusHopeless
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.verify import verify
from tests.grinding import quick_spec
from tests.servers import KEYS, S3Server, free_port


def measure(spec: CorpusSpec, *engines: FakeEngineProcess, **options: Any) -> Calibration:
    settings = {"seconds": 1.5, "ramp_s": 0.1} | options
    return asyncio.run(calibrate(spec, [engine.url for engine in engines], **settings))


def counts(at: float, *, accepted: int, tokens: float | None, written: int, faults: int = 0) -> Counts:
    """Counts at a moment: `tokens` by the engine's counter, `written` those of the lists that came back."""
    return Counts(
        at=at,
        cpu_s=0.0,
        accepted=accepted,
        rejects=Counter(too_long=accepted // 4),
        prompt_tokens=10 * written,
        completion_tokens=written,
        faults=faults,
        engines=None if tokens is None else [Reading(at, tokens=tokens)],
    )


STEADY = [
    counts(10.0 * part, accepted=30 + 40 * part, tokens=1000.0 + 2000 * part, written=1500 + 2000 * part)
    for part in range(7)
]


class TestRate:
    def test_it_is_the_engines_tokens_times_the_phrases_a_token(self) -> None:
        rate = steady_rate(STEADY)
        assert rate is not None
        assert rate.likely == pytest.approx(200 * 270 / 13_500)
        assert rate.low < rate.likely < rate.high

    @pytest.mark.parametrize("change", [{"tokens": None}, {"faults": 1}])
    def test_without_a_counter_or_with_lost_lists_what_was_counted_stands(self, change: dict[str, Any]) -> None:
        at_the_end = {"accepted": 270, "tokens": 13_000.0, "written": 13_500}
        rate = steady_rate([*STEADY[:-1], counts(60.0, **(at_the_end | change))])
        assert rate is not None
        assert rate.likely == pytest.approx(240 / 60)

    def test_nothing_accepted_is_no_rate(self) -> None:
        assert (
            steady_rate([counts(0, accepted=0, tokens=0, written=0), counts(9, accepted=0, tokens=9, written=9)])
            is None
        )

    def test_parts_that_differ_widen_it(self) -> None:
        bursts = [
            counts(10.0 * part, accepted=30 + 40 * part, tokens=2000.0 * part + 1900 * (part % 2), written=2000 * part)
            for part in range(7)
        ]
        steady, unsteady = steady_rate(STEADY), steady_rate(bursts)
        assert steady is not None
        assert unsteady is not None
        assert unsteady.high / unsteady.likely > 1.3 > steady.high / steady.likely

    def test_parts_have_their_own_length(self) -> None:
        first, second = window_parts([STEADY[0], STEADY[1], STEADY[4]])
        assert (first.seconds, first.accepted, first.tokens) == (10, 40, pytest.approx(2000))
        assert (second.seconds, second.accepted, second.tokens) == (30, 120, pytest.approx(6000))


class TestShardsAlone:
    def test_what_a_shard_takes_beyond_its_phrases_is_filling_and_draining(self) -> None:
        drain = drain_of([20.0, 22.0], 60, Range(low=3, likely=4, high=5))
        assert drain is not None
        assert drain.likely == pytest.approx(21 - 15)
        assert drain.low < 6 < drain.high

    def test_it_is_never_less_than_nothing_and_unknown_where_none_was_measured(self) -> None:
        assert drain_of([9.0], 60, Range.exactly(4)) == Range.exactly(0)
        assert drain_of([], 60, Range.exactly(4)) is None

    def test_it_slows_short_shards_and_hardly_long_ones(self) -> None:
        steady, drain = Range(low=3, likely=4, high=5), Range(low=4, likely=5, high=6)
        short, long = one_after_the_other(60, steady, drain), one_after_the_other(60_000, steady, drain)
        assert short.likely == pytest.approx(60 / (15 + 5))
        assert (short.low, short.high) == (pytest.approx(60 / 26), pytest.approx(60 / 16))
        assert long.likely == pytest.approx(4, rel=0.001)
        assert one_after_the_other(60, steady, None) == steady

    def test_one_that_takes_longer_than_the_window_is_not_measured(self) -> None:
        assert alone_fits([], needed=60.0, window_s=60)
        assert not alone_fits([], needed=60.1, window_s=60)

    def test_more_are_measured_while_they_fit_into_half_of_it(self) -> None:
        assert alone_fits([15.0], needed=15, window_s=60)
        assert not alone_fits([15.1], needed=15, window_s=60)
        assert alone_fits([1.0, 1.0], needed=1, window_s=60)
        assert not alone_fits([1.0, 1.0, 1.0], needed=1, window_s=60)


class TestText:
    def test_only_what_passes_the_rules_is_looked_at(self) -> None:
        good = ["The old bell rang over the pier at dawn.", "A broken lens lay under the market stairs."]
        figures = text_figures(quick_spec(), [*good, "No.", "As an AI language model, I cannot write about a pier."])
        assert figures is not None
        assert (figures.phrases, figures.chars) == (2, sum(map(len, good)))
        assert figures.chars_per_phrase.likely == figures.chars / 2
        assert (figures.bytes_per_char.low, figures.bytes_per_char.likely) == (1, 1)
        assert 1 < figures.bytes_per_char.high < 1.05

    def test_numbered_lists_are_taken_apart(self) -> None:
        spec = quick_spec(sampling={"phrases_per_prompt": 2})
        answer = " The old bell rang over the pier at dawn.\n2. A broken lens lay under the market stairs."
        figures = text_figures(spec, [answer])
        assert figures is not None
        assert figures.phrases == 2

    def test_nothing_that_passes_has_no_figures(self) -> None:
        assert text_figures(quick_spec(), ["No."]) is None


class TestOnEngines:
    def test_the_record_holds_what_the_engines_did(self, engines: list[FakeEngineProcess]) -> None:
        engines[0].faults(mode="text", text="empty", share=0.5, count=1_000_000)
        said: list[str] = []
        spec = quick_spec()
        found = measure(spec, *engines, on_event=said.append)
        assert (found.corpus, found.fingerprint, found.model) == ("tiny", fingerprint(spec), "tiny-model")
        assert (found.engines, found.list_size, found.in_flight, found.n) == (2, 8, 32, 1)
        assert found.vllm
        assert len(found.parts) == 6
        assert found.accepted + sum(found.rejects.values()) == found.judged
        assert 0 < found.rejects["empty"] < found.judged
        assert found.accept_share.likely == pytest.approx(found.accepted / found.judged)
        asked, written = found.prompt_tokens_per_output, found.completion_tokens_per_output
        assert asked is not None
        assert written is not None
        assert asked.likely * found.judged == pytest.approx(found.prompt_tokens)
        assert written.likely * found.judged == pytest.approx(found.completion_tokens)
        assert found.text is not None
        assert 20 <= found.text.chars_per_phrase.likely <= 160
        assert found.alone_phrases == 2 * 2 * 32
        in_time = found.alone_phrases / found.steady_phrases_per_s.likely <= found.window_s
        assert (found.alone_s != (), found.drain_s is not None) == (in_time, in_time)
        assert found.phrases_per_s.likely <= found.steady_phrases_per_s.likely
        assert Calibration.model_validate_json(found.model_dump_json()) == found
        assert any(f"{found.accepted:,} accepted of" in line for line in said)

    def test_prompts_are_new_and_lie_beyond_the_corpus(self, engine: FakeEngineProcess) -> None:
        spec = quick_spec()
        measure(spec, engine)
        prompts = [
            prompt
            for request in engine.requests()
            if request["path"] == "/v1/completions"
            for prompt in request["body"]["prompt"]
        ]
        scenes = [int(match[1]) for prompt in prompts if (match := re.search(r"Scene number (\d+):", prompt))]
        assert len(prompts) == len(scenes) == len(set(prompts)) > 40
        assert min(scenes) > spec.shard_count * spec.shard_phrases / spec.prompts.scene_phrases

    def test_a_model_that_breaks_all_rules_is_told_in_one_line(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="refusals", count=1_000_000)
        with pytest.raises(CorpusHopeless, match="do not fit each other") as hopeless:
            measure(quick_spec(), engine, seconds=30)  # it is told after some hundred outputs
        assert "\n" not in str(hopeless.value)

    def test_engines_that_bring_nothing_are_an_error_that_says_what_to_do(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="hang", count=1_000_000)
        with pytest.raises(CalibrationFailed, match="measure longer with --seconds"):
            asyncio.run(calibrate(quick_spec(), [engine.url], seconds=0.2, ramp_s=0.1, longest_ramp_s=0.2))


@pytest.fixture
def store(s3_server: S3Server) -> CorpusStore:
    bucket = S3Server.new_bucket(s3_server.endpoint)
    spec = quick_spec(storage={"bucket": bucket})
    return CorpusStore(Bucket(S3Server.client(s3_server.endpoint), bucket), spec)


class TestInTheBucket:
    def test_it_is_kept_and_read_back_and_nothing_else_is_written(
        self, store: CorpusStore, engine: FakeEngineProcess
    ) -> None:
        assert read_calibration(store) is None
        found = measure(store.spec, engine)
        address = keep_calibration(store, found)
        assert read_calibration(store) == found
        keys = [entry.key for entry in store.bucket.entries(store.keys.root)]
        assert keys == [calibration_key(store.keys.root)]
        assert address.endswith("/tiny/calibration.json")
        assert verify(store).findings == []

    def test_one_of_another_version_counts_as_none(self, store: CorpusStore) -> None:
        store.bucket.put(calibration_key(store.keys.root), b'{"format": 99}')
        assert read_calibration(store) is None


class TestCommand:
    @pytest.fixture
    def run(self, tmp_path: Path, store: CorpusStore, s3_server: S3Server, engine: FakeEngineProcess) -> Any:
        app = typer.Typer()
        app.command()(calibrate_command)

        def run(*arguments: str, spec: CorpusSpec = store.spec, **environment: str) -> Result:
            (tmp_path / "tiny.yaml").write_text(dump_corpus(spec))
            settings = {
                "PHRASEMILL_ENGINES": engine.url,
                "AWS_ENDPOINT_URL": s3_server.endpoint,
                "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"],
                "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
            } | environment
            return CliRunner(env=settings).invoke(app, [str(tmp_path / "tiny.yaml"), "--seconds", "1.5", *arguments])

        return run

    def test_it_prints_the_figures_and_keeps_the_record(self, run: Any, store: CorpusStore, tmp_path: Path) -> None:
        done = run("--to", str(tmp_path / "record.json"))
        assert done.exit_code == 0, done.output
        kept = read_calibration(store)
        assert kept is not None
        assert json.loads((tmp_path / "record.json").read_text()) == json.loads(kept.model_dump_json())
        assert "accepted phrases a second" in done.output
        assert "480 phrases: " in done.output
        assert "nothing of the model tiny-model" in done.output
        assert "s3://" in done.output

    def test_a_model_of_the_book_has_a_whole_forecast_without_a_bucket_too(self, run: Any, store: CorpusStore) -> None:
        spec = CorpusSpec.model_validate(
            store.spec.model_dump() | {"price": {"per_gpu_hour": 2, "gpus": 1}, "oversample": 0.5}
        )
        name = "Qwen/Qwen2.5-1.5B-Instruct"
        spec = spec.model_copy(update={"model": spec.model.model_copy(update={"name": name})})
        with FakeEngineProcess(model=name, latency_ms=10) as other:
            nobody = f"http://127.0.0.1:{free_port()}"
            done = run("--engines", other.url, spec=spec, AWS_ENDPOINT_URL=nobody)
        assert done.exit_code == 0, done.output
        assert "480 phrases and 50% more: " in done.output
        assert "cost: " in done.output
        assert "what matters most: " in done.output
        assert "the record is not in the corpus's bucket" in done.output

    def test_engines_of_another_model_are_refused_before_anything_is_measured(
        self, run: Any, store: CorpusStore, engine: FakeEngineProcess
    ) -> None:
        spec = store.spec.model_copy(update={"model": store.spec.model.model_copy(update={"name": "other"})})
        done = run(spec=spec)
        assert "not the model 'other'" in str(done.exception)
        assert [request for request in engine.requests() if request["path"] == "/v1/completions"] == []

    def test_a_folder_that_is_not_there_is_told_before_anything_is_measured(
        self, run: Any, tmp_path: Path, engine: FakeEngineProcess
    ) -> None:
        done = run("--to", str(tmp_path / "missing" / "record.json"))
        assert "record.json: there is no folder" in str(done.exception)
        assert "is a folder; give --to a file in it" in str(run("--to", str(tmp_path)).exception)
        assert engine.requests() == []
