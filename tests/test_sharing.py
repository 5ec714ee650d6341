"""How many tasks share how many engines, and which engines each asks: numbers alone."""

from collections import Counter

import pytest

from phrasemill.sharing import (
    ENGINES_A_TASK,
    MOST_ENGINES_A_TASK,
    all_alone,
    engines_of_task,
    part_of_task,
    slots_for,
    smallest_shard,
)

MANY = [65, 80, 96, 100, 128, 200, 511, 512]


def ring(count: int) -> list[str]:
    return [f"http://gpu-{number:03}:8000" for number in range(count)]


class TestSlots:
    @pytest.mark.parametrize(
        ("engines", "slots"), [(0, 2), (1, 2), (4, 2), (16, 2), (17, 3), (32, 3), (64, 5), (65, 6), (512, 33)]
    )
    def test_one_for_sixteen_engines_begun_and_one_to_spare(self, engines: int, slots: int) -> None:
        assert slots_for(engines) == slots


class TestTheRing:
    @pytest.mark.parametrize("count", [0, 1, 16, MOST_ENGINES_A_TASK])
    def test_up_to_the_most_a_task_asks_all_in_their_order(self, count: int) -> None:
        assert engines_of_task(ring(count), 7) == ring(count)

    @pytest.mark.parametrize("count", MANY)
    def test_beyond_a_task_asks_a_stretch_of_different_ones(self, count: int) -> None:
        for shard in (0, 1, count, 12_345):
            chosen = engines_of_task(ring(count), shard)
            assert len(set(chosen)) == len(chosen) == MOST_ENGINES_A_TASK

    @pytest.mark.parametrize("count", MANY)
    def test_shards_that_run_at_once_load_all_engines_alike(self, count: int) -> None:
        """As many shards in a row as there are slots, wherever the row begins."""
        for first in range(0, 3 * count, 7):
            asked: Counter[str] = Counter()
            for shard in range(first, first + slots_for(count)):
                asked.update(engines_of_task(ring(count), shard))
            assert set(asked) == set(ring(count))
            shares = MOST_ENGINES_A_TASK // ENGINES_A_TASK
            assert min(asked.values()) >= shares
            assert max(asked.values()) <= shares + 2  # those of the spare task, and where the ring closes

    @pytest.mark.parametrize("count", [1, 16, 17, 64, *MANY])
    def test_the_windows_of_all_tasks_fill_an_engine_and_hardly_more(self, count: int) -> None:
        held: Counter[str] = Counter()
        for shard in range(100, 100 + slots_for(count)):
            part = part_of_task(ring(count), shard)
            held.update(dict.fromkeys(part.engines, 1024 // part.tasks))
        assert min(held.values()) > 0.6 * 1024
        assert max(held.values()) <= 1.25 * 1024

    def test_without_engines_there_is_a_part_too(self) -> None:
        assert part_of_task([], 3).engines == []
        assert part_of_task([], 3).tasks >= 1

    def test_a_measurement_has_them_to_itself(self) -> None:
        assert (all_alone(ring(100)).engines, all_alone(ring(100)).tasks) == (ring(100), 1)


class TestShards:
    def test_a_shard_has_eight_times_what_its_task_has_in_flight(self) -> None:
        assert smallest_shard(4, in_flight=1024) == 8 * 4 * 1024 / 2
        assert smallest_shard(64, in_flight=1024) == -(-8 * 64 * 1024 // 5)

    def test_it_grows_with_the_engines_up_to_those_that_keep_a_task_busy(self) -> None:
        most = 8 * ENGINES_A_TASK * 1024
        sizes = [smallest_shard(count, in_flight=1024) for count in (1, 4, 16, 64, 512)]
        assert sizes == sorted(sizes)
        assert sizes[-1] <= most
