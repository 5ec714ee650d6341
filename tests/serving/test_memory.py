"""How a GPU's memory is split, and cores between engines."""

import pytest

from phrasemill.serving.cores import bindings, this_machine
from phrasemill.serving.errors import TooLittleMemory
from phrasemill.serving.memory import USABLE_SHARE, Share, least_kv_bytes, overhead_bytes, split_memory
from phrasemill.serving.models import find_model

GB = 10**9


def split(
    *, engines: int, free: float = 80, total: float = 80, kv: int | None = None, most: float = 1000, fixed: float = 6
) -> Share:
    return split_memory(
        where="GPU 0",
        total_bytes=int(total * GB),
        free_bytes=int(free * GB),
        engines=engines,
        fixed_bytes=int(fixed * GB),
        least_kv=2 * GB,
        most_kv=int(most * GB),
        kv_bytes=kv,
    )


class TestTheSplit:
    @pytest.mark.parametrize("engines", [1, 2, 3, 4, 6, 9])
    def test_all_engines_together_stay_within_the_usable_share(self, engines: int) -> None:
        share = split(engines=engines)
        assert engines * (share.kv_bytes + 6 * GB) <= 80 * GB * USABLE_SHARE
        assert engines * (share.kv_bytes + 6 * GB) > 79 * GB * USABLE_SHARE

    @pytest.mark.parametrize("engines", [1, 2, 3, 4, 6])
    @pytest.mark.parametrize("free", [80.0, 61.0, 55.5])
    def test_the_last_engine_to_start_passes_vllms_own_check(self, engines: int, free: float) -> None:
        share = split(engines=engines, free=free)
        taken_by_others = (engines - 1) * (share.kv_bytes + 6 * GB)
        assert free * GB - taken_by_others >= share.utilization * 80 * GB
        assert share.utilization > 0

    def test_what_other_programs_hold_is_not_shared_out(self) -> None:
        assert split(engines=2, free=40).kv_bytes == int(40 * GB * USABLE_SHARE / 2) - 6 * GB

    def test_cache_that_no_sequence_could_use_is_left_free(self) -> None:
        assert split(engines=1, most=15).kv_bytes == 15 * GB

    def test_a_cache_that_the_profile_insists_on_is_taken_as_it_is(self) -> None:
        assert split(engines=4, kv=8 * GB).kv_bytes == 8 * GB

    def test_too_many_engines_are_told_with_how_many_would_fit(self) -> None:
        with pytest.raises(TooLittleMemory) as caught:
            split(engines=10)
        message = str(caught.value)
        assert "74.5 of 74.5 GiB free" in message
        assert "10 engines needs 7.5 (5.6 for weights" in message
        assert message.endswith("--engines 9 would fit")
        assert split(engines=9)

    def test_a_cache_too_large_for_all_is_told(self) -> None:
        with pytest.raises(TooLittleMemory, match="--engines 3 would fit"):
            split(engines=4, kv=15 * GB)

    def test_not_even_one(self) -> None:
        with pytest.raises(TooLittleMemory, match="not one fits"):
            split(engines=2, free=5)


class TestWhatAnEngineTakes:
    def test_buffers_grow_with_sequences_and_with_tokens_a_step(self) -> None:
        model = find_model("Qwen/Qwen2.5-1.5B-Instruct")
        small = overhead_bytes(model, max_num_seqs=64, batched_tokens=2048)
        assert small < overhead_bytes(model, max_num_seqs=512, batched_tokens=2048)
        assert small < overhead_bytes(model, max_num_seqs=64, batched_tokens=8192)
        assert overhead_bytes(model, max_num_seqs=64, batched_tokens=None) > small

    def test_four_engines_of_the_measured_profile_get_the_cache_they_were_measured_with(self) -> None:
        model = find_model("Qwen/Qwen2.5-1.5B-Instruct")
        fixed = model.weight_bytes(None) + overhead_bytes(model, max_num_seqs=512, batched_tokens=None)
        assert split(engines=4, total=85.5, free=85, fixed=fixed / GB).kv_bytes >= 8 * GB

    def test_the_least_cache_holds_a_phrase_of_every_sequence_and_one_of_full_length(self) -> None:
        model = find_model("Qwen/Qwen2.5-1.5B-Instruct")
        assert least_kv_bytes(model, max_num_seqs=512, max_model_len=1024) == 512 * 96 * model.kv_bytes_a_token
        assert least_kv_bytes(model, max_num_seqs=4, max_model_len=1024) == 1024 * model.kv_bytes_a_token


class TestCores:
    def test_one_engine_is_bound_as_vllm_likes(self) -> None:
        assert bindings([0, 1], engines=1) == ["auto"]

    def test_several_engines_get_cores_of_their_own(self) -> None:
        assert bindings([0, 1], engines=2) == ["0", "1"]
        assert bindings([0, 2, 4, 6], engines=2) == ["0,2", "4,6"]

    def test_of_many_cores_one_is_left_to_each_engines_scheduler(self) -> None:
        assert bindings(range(8), engines=2) == ["1,2,3", "5,6,7"]

    def test_with_more_engines_than_cores_none_is_bound(self) -> None:
        assert bindings([0, 1], engines=3) == ["nobind"] * 3

    def test_this_machine_has_cores_and_memory(self) -> None:
        machine = this_machine()
        assert len(set(machine.cores)) == len(machine.cores) >= 1
        assert 0 < machine.free_bytes <= machine.total_bytes
