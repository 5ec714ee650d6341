"""The mill on sound engines: exactly N phrases, resumed work, hopeless settings, progress, an end without remains."""

import asyncio
import threading
import time
from itertools import pairwise

import pytest

from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.outage import Patience
from phrasemill.engines.pool import EnginePool
from phrasemill.errors import EngineRefused, EnginesDown, ShardHopeless, StoreUnavailable
from phrasemill.mill import Mill
from phrasemill.planning import shard_of
from phrasemill.progress import Progress
from phrasemill.prompts import PromptBook
from tests.grinding import QUICK, MemoryStaging, grind, quick_spec, wait_until, wait_until_asked


class TestExactlyN:
    def test_a_shard_is_whole_and_nothing_is_asked_twice(self, engine: FakeEngineProcess) -> None:
        tokens_before = engine.state()["generation_tokens"]
        ground = grind(quick_spec(), [engine], run_id="run-1")
        assert ground.facts.rejects == {}
        assert engine.state()["phrases"] == 240
        assert set(ground.attempts) == {0}
        assert ground.facts.run_ids == ["run-1"]
        assert ground.facts.completion_tokens == engine.state()["generation_tokens"] - tokens_before
        assert ground.facts.prompt_tokens == engine.state()["prompt_tokens"]

    def test_ids_of_a_later_shard_begin_where_the_one_before_ends(self, engine: FakeEngineProcess) -> None:
        ground = grind(quick_spec(), [engine], shard=1)
        assert ground.staging.rows.column("phrase_id")[0].as_py() == 240

    def test_rejected_ids_are_asked_again_with_another_combination(self, engine: FakeEngineProcess) -> None:
        spec = quick_spec()
        engine.faults(mode="text", text="empty", count=3)
        ground = grind(spec, [engine])
        assert ground.facts.rejects == {"empty": 24}
        assert sum(attempt == 1 for attempt in ground.attempts) == 24
        rows = ground.staging.rows.to_pylist()
        again = next(row for row in rows if row["attempt"] == 1)
        book = PromptBook(spec)
        assert dict(again["slots"]) == book.prompt(again["phrase_id"], 1).slots
        assert book.prompt(again["phrase_id"], 1).text != book.prompt(again["phrase_id"], 0).text

    def test_repeated_texts_are_rejected_as_duplicates(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="duplicates", count=6)
        ground = grind(quick_spec(), [engine])
        assert ground.facts.rejects == {"duplicate": 6 * 8 - 8}

    def test_rejects_are_counted_and_shown_with_the_blocks_they_belong_to(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="refusals", share=0.5, count=20)
        ground = grind(quick_spec(), [engine])
        kept = ground.staging.blocks.values()
        assert sum(block.facts.rejects["meta"] for block in kept if "meta" in block.facts.rejects) > 40
        assert ground.facts.rejects["meta"] == sum(block.facts.rejects.get("meta", 0) for block in kept)
        assert 3 <= len(ground.facts.examples["meta"]) <= 20

    def test_samples_of_one_prompt_are_asked_for_together(self, engine: FakeEngineProcess) -> None:
        spec = quick_spec(sampling={"n": 4})
        ground = grind(spec, [engine])
        bodies = [request["body"] for request in engine.requests()]
        assert {body["n"] for body in bodies} == {4}
        assert {len(body["prompt"]) for body in bodies} == {2}
        slots = ground.staging.rows.column("slots").to_pylist()
        assert all(slots[group] == slots[group + 3] for group in range(0, 240, 4))

    def test_rejected_samples_part_ways(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="empty", share=0.5, count=10)
        ground = grind(quick_spec(sampling={"n": 4}), [engine])
        assert ground.facts.rejects["empty"] > 20
        alone = [body for request in engine.requests() if "n" not in (body := request["body"])]
        assert sum(len(body["prompt"]) for body in alone) == sum(ground.facts.rejects.values())

    def test_a_list_larger_than_the_window_still_goes(self, engine: FakeEngineProcess) -> None:
        grind(quick_spec(engines={"list_size": 16, "in_flight": 5}), [engine])
        assert engine.state()["max_lists_in_flight"] == 1

    def test_more_samples_of_a_prompt_than_a_list_holds_still_go(self, engine: FakeEngineProcess) -> None:
        grind(quick_spec(sampling={"n": 20}, engines={"list_size": 8, "in_flight": 12}), [engine])
        assert engine.state()["prompts"] == 12

    def test_engines_share_the_work(self, engines: list[FakeEngineProcess]) -> None:
        for engine in engines:
            engine.faults(mode="slow", seconds=0.3)  # more than they differ on a busy machine
        grind(quick_spec(), engines)
        assert all(engine.state()["phrases"] >= 80 for engine in engines)

    def test_after_a_quarantine_attempts_begin_above_those_it_had(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="empty", count=1)
        ground = grind(quick_spec(rules={"max_attempts": 2}), [engine], first_attempt=5)
        assert set(ground.attempts) == {5, 6}


class TestListsOfPhrases:
    SPEC = quick_spec(sampling={"phrases_per_prompt": 4})

    def test_one_answer_fills_as_many_ids_as_it_has_entries(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="numbered")
        ground = grind(self.SPEC, [engine])
        assert ground.facts.rejects == {}
        assert engine.state()["phrases"] == 60  # answers
        bodies = [request["body"] for request in engine.requests()]
        assert {body["max_tokens"] for body in bodies} == {4 * (self.SPEC.sampling.max_tokens + 4)}
        slots = ground.staging.rows.column("slots").to_pylist()
        assert all(slots[group] == slots[group + 3] for group in range(0, 240, 4))

    def test_entries_that_a_list_lacks_are_asked_for_alone(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="numbered_with_a_gap")
        ground = grind(self.SPEC, [engine])
        assert ground.facts.rejects == {"unlisted": 60}
        assert [k for k, attempt in enumerate(ground.attempts) if attempt] == list(range(1, 240, 4))

    def test_an_answer_that_is_no_list_counts_for_its_first_entry(self, engine: FakeEngineProcess) -> None:
        ground = grind(self.SPEC, [engine])
        assert ground.facts.rejects == {"unlisted": 180}
        assert [k for k, attempt in enumerate(ground.attempts) if not attempt] == list(range(0, 240, 4))

    def test_an_aborted_answer_is_asked_for_again_with_all_its_entries(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="abort", choices=1, count=2)
        engine.faults(mode="text", text="numbered")
        ground = grind(self.SPEC, [engine])
        assert ground.facts.rejects == {}
        assert set(ground.attempts) == {0}

    def test_a_refused_prompt_gives_all_its_ids_another_one(self, engine: FakeEngineProcess) -> None:
        bad = PromptBook(self.SPEC).prompt(100).text
        engine.faults(mode="status", status=400, contains=bad)
        engine.faults(mode="text", text="numbered")
        ground = grind(self.SPEC, [engine])
        assert ground.facts.rejects == {"refused_by_engine": 4}
        assert [k for k, attempt in enumerate(ground.attempts) if attempt] == [100, 101, 102, 103]

    def test_together_with_samples(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="numbered")
        spec = quick_spec(sampling={"phrases_per_prompt": 5, "n": 4})
        assert grind(spec, [engine]).facts.rejects == {}
        assert engine.state()["prompts"] == 12


class TestResume:
    def test_only_missing_blocks_are_asked_for(self, engine: FakeEngineProcess) -> None:
        spec = quick_spec()
        first = grind(spec, [engine])
        engine.reset()
        kept = first.staging.without(1, 4)
        again = grind(spec, [engine], staging=kept)
        assert engine.state()["phrases"] == 80
        assert kept.saves_begun in ([1, 4], [4, 1])
        before, after = first.staging.rows.to_pylist(), again.staging.rows.to_pylist()
        assert [row for row in before if row["phrase_id"] // 40 not in (1, 4)] == [
            row for row in after if row["phrase_id"] // 40 not in (1, 4)
        ]

    def test_a_whole_shard_is_not_asked_for_at_all(self, engine: FakeEngineProcess) -> None:
        spec = quick_spec()
        first = grind(spec, [engine])
        again = grind(spec, ["http://127.0.0.1:9"], staging=first.staging.without())
        assert again.facts == first.facts

    def test_a_text_of_a_resumed_block_is_a_duplicate(self) -> None:
        spec = quick_spec()
        with FakeEngineProcess(model="tiny-model", seed=7) as engine:
            kept = grind(spec, [engine]).staging.without(3, 4, 5)
            engine.restart()  # and writes the same sentences in the same order
            again = grind(spec, [engine], staging=kept)
        assert again.facts.rejects == {"duplicate": 120}

    def test_blocks_saved_before_an_error_are_resumed(self, engine: FakeEngineProcess) -> None:
        spec, staging = quick_spec(engines={"list_size": 8, "in_flight": 16}), MemoryStaging()
        engine.faults(mode="status", status=401, after=20)
        with pytest.raises(Exception, match="API key"):
            grind(spec, [engine], staging=staging)
        saved = dict(staging.blocks)
        assert 1 <= len(saved) < 6
        engine.reset()
        grind(spec, [engine], staging=staging)
        assert engine.state()["phrases"] == 240 - 40 * len(saved)
        assert all(staging.blocks[number] is block for number, block in saved.items())


class TestHopeless:
    def test_settings_that_reject_nearly_all_fail_at_once_with_histogram_and_examples(
        self, engine: FakeEngineProcess
    ) -> None:
        engine.faults(mode="text", text="refusals")
        with pytest.raises(ShardHopeless, match=r"100% of the first 3\d\d outputs") as error:
            grind(quick_spec(), [engine])
        assert "meta 3" in str(error.value)
        assert str(error.value).count("; '") + str(error.value).count('; "') == 2  # three examples
        assert not error.value.retryable
        assert engine.state()["phrases"] < 450

    def test_an_id_out_of_attempts_is_named(self, engine: FakeEngineProcess) -> None:
        spec = quick_spec(rules={"max_attempts": 3})
        book = PromptBook(spec)
        for attempt in range(3):
            engine.faults(mode="text", text="empty", contains=book.prompt(77, attempt).text)
        with pytest.raises(ShardHopeless, match="phrase 77 was rejected 3 times, last as empty"):
            grind(spec, [engine])

    def test_four_of_five_rejected_is_slow_but_not_hopeless(self) -> None:
        with FakeEngineProcess(model="tiny-model", bad_modes=("empty", "refusals"), bad_share=0.8) as engine:
            ground = grind(quick_spec(), [engine])
        assert ground.facts.reject_share == pytest.approx(0.8, abs=0.05)

    def test_an_engine_that_refuses_every_prompt_is_hopeless(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="status", status=400, message="max_tokens is too large")
        with pytest.raises(ShardHopeless, match=r"refused_by_engine 3\d\d.*max_tokens is too large"):
            grind(quick_spec(), [engine])


class TestSaving:
    def test_a_slow_bucket_holds_generation_back(self, engine: FakeEngineProcess) -> None:
        staging = MemoryStaging(hold=threading.Event())
        spec = quick_spec(shard_phrases=1200, target_phrases=2400)

        def watch() -> None:
            wait_until(lambda: len(staging.saves_begun) >= 4)
            time.sleep(0.3)
            # Four blocks on their way, what was in flight then, and nothing more.
            assert engine.state()["phrases"] <= 4 * 40 + 40 + 32 + 8
            assert staging.hold
            staging.hold.set()

        grind(spec, [engine], staging=staging, meanwhile=watch)

    def test_a_bucket_that_fails_ends_the_shard_though_lists_hang(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="hang", after=9)
        staging = MemoryStaging(fail=StoreUnavailable("no bucket; retry"))
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match="no bucket"):
            grind(quick_spec(), [engine], staging=staging)
        assert time.monotonic() - started < 20
        wait_until(lambda: engine.state()["lists_in_flight"] == 0)


class TestProgress:
    def test_it_tells_of_accepted_rejects_rates_and_engines(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="empty", count=2)
        engine.faults(mode="slow", seconds=0.15)
        looks: list[Progress] = []
        grind(quick_spec(), [engine], on_progress=looks.append, progress_every_s=0.05)
        assert len(looks) > 3
        assert all(one.accepted <= other.accepted for one, other in pairwise(looks))
        last = looks[-1]
        assert (last.accepted, last.rows, last.rejects, last.eta_s) == (240, 240, {"empty": 16}, 0)
        assert last.phrases_per_s > 10
        assert last.tokens_per_s > last.phrases_per_s
        middle = next(one for one in looks if one.in_flight == {engine.url: "32/32"})
        assert middle.line().startswith(f"tiny shard-00000: {middle.accepted}/240 accepted, ")
        assert "rejected" in middle.line()
        assert engine.url in middle.line()

    def test_resumed_phrases_count_as_accepted_but_not_into_the_rate(self, engine: FakeEngineProcess) -> None:
        spec = quick_spec()
        kept = grind(spec, [engine]).staging.without(5)
        looks: list[Progress] = []
        engine.faults(mode="slow", seconds=0.5)
        grind(spec, [engine], staging=kept, on_progress=looks.append)
        assert (looks[-1].resumed, looks[-1].accepted) == (200, 240)
        assert looks[-1].phrases_per_s <= 40  # five lists, four in flight: a second at least


class TestEnd:
    """Whatever ends a shard, nothing of it runs on."""

    @pytest.mark.parametrize("after_lists", [1, 5, 20])
    def test_a_cancelled_shard_leaves_no_task_and_no_list(self, engine: FakeEngineProcess, after_lists: int) -> None:
        engine.faults(mode="slow", seconds=0.03)
        spec = quick_spec(shard_phrases=2400, target_phrases=4800)  # not done before it is cancelled

        async def cancel() -> None:
            async with EnginePool([engine.url], spec, patience=QUICK) as pool:
                mill = Mill(spec, shard_of(spec, 0), pool=pool, staging=MemoryStaging())
                grinding = asyncio.create_task(mill.grind())
                await asyncio.to_thread(wait_until_asked, engine, after_lists)
                grinding.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asyncio.wait_for(grinding, 20)
                assert all(one.in_flight == 0 for one in pool.engines)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        asyncio.run(cancel())
        wait_until(lambda: engine.state()["lists_in_flight"] == 0)

    def test_an_error_while_all_windows_are_full_is_told_as_it_is(self, engine: FakeEngineProcess) -> None:
        # One list is refused while the others hang: the mill waits for room then, not for news.
        engine.faults(mode="hang", after=3, count=3)
        engine.faults(mode="status", status=403, after=3, count=1)
        started = time.monotonic()
        with pytest.raises(Exception, match="API key") as error:
            grind(quick_spec(), [engine])
        assert isinstance(error.value, EngineRefused)
        assert time.monotonic() - started < 20

    def test_outage_while_blocks_are_being_saved_keeps_them(self, engine: FakeEngineProcess) -> None:
        staging = MemoryStaging(hold=threading.Event())
        spec = quick_spec()

        def kill() -> None:
            wait_until(lambda: staging.saves_begun)
            engine.kill()
            time.sleep(1.2)
            assert staging.hold
            staging.hold.set()

        with pytest.raises(EnginesDown):
            grind(
                spec, [engine], staging=staging, meanwhile=kill,
                patience=Patience(list_s=10, outage_s=0.5, silence_s=5, watch_s=0.1),
            )  # fmt: skip
        wait_until(lambda: len(staging.blocks) == len(staging.saves_begun))
        engine.start()
        staging.hold = None
        kept = len(staging.blocks)
        assert kept >= 1
        grind(spec, [engine], staging=staging)
        assert engine.state()["phrases"] == 240 - 40 * kept
