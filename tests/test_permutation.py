import numpy as np
import pytest

from phrasemill.permutation import Permutation

SMALL = [*range(1, 130), 255, 256, 257, 1023, 4096, 9973, 10_000, 65_535, 65_537, 100_003]
LARGE = [2**32 - 5, 2**32 + 1, 10**15 + 37, 2**60 - 1, 2**61 + 9, 2**62 - 1, 2**62]


def indices(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.uint64)


@pytest.mark.parametrize("size", SMALL)
@pytest.mark.parametrize("key", [0, 1, 2**64 - 1])
def test_every_index_comes_once(size: int, key: int) -> None:
    permuted = Permutation(size, key)(np.arange(size, dtype=np.uint64))
    assert np.array_equal(np.sort(permuted), np.arange(size, dtype=np.uint64))


class TestLargeSizes:
    @pytest.mark.parametrize("size", LARGE)
    def test_results_lie_in_the_range_and_differ(self, size: int) -> None:
        random = np.random.default_rng(7)
        asked = np.unique(
            np.concatenate(
                [
                    np.arange(20_000, dtype=np.uint64),
                    np.arange(size - 20_000, size, dtype=np.uint64),
                    random.integers(0, size, 60_000, dtype=np.uint64),
                ]
            )
        )
        permuted = Permutation(size, key=0x9E3779B97F4A7C15)(asked)
        assert int(permuted.max()) < size
        assert len(np.unique(permuted)) == len(asked)

    def test_sums_past_64_bits_do_not_make_two_indices_meet(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever the mixing function gives, a round is a bijection; near 2**64 its sum used to wrap round."""
        monkeypatch.setattr("phrasemill.permutation._mix", lambda words: np.full_like(words, 2**64 - 2))
        permuted = Permutation(100, key=0)(np.arange(100, dtype=np.uint64))
        assert sorted(permuted.tolist()) == list(range(100))


class TestOrder:
    def test_is_the_same_on_every_machine(self) -> None:
        assert Permutation(1000, key=42)(indices(0, 1, 2, 998, 999)).tolist() == [785, 974, 592, 18, 36]

    def test_another_key_gives_another_order(self) -> None:
        everything = np.arange(1000, dtype=np.uint64)
        assert not np.array_equal(Permutation(1000, key=1)(everything), Permutation(1000, key=2)(everything))

    def test_one_index_alone_goes_where_it_goes_among_others(self) -> None:
        permutation = Permutation(12_345, key=3)
        together = permutation(np.arange(12_345, dtype=np.uint64))
        assert [int(permutation(indices(k))[0]) for k in (0, 77, 12_344)] == together[[0, 77, 12_344]].tolist()

    def test_neighbours_are_scattered(self) -> None:
        permuted = Permutation(100_000, key=5)(np.arange(100_000, dtype=np.uint64)).astype(np.int64)
        steps = np.abs(np.diff(permuted))
        assert 30_000 < steps.mean() < 36_700  # a third of the size when neighbours are unrelated
        assert abs(np.corrcoef(np.arange(100_000), permuted)[0, 1]) < 0.02

    def test_leaves_its_argument_alone(self) -> None:
        asked = np.arange(50, dtype=np.uint64)
        Permutation(50, key=9)(asked)
        assert np.array_equal(asked, np.arange(50, dtype=np.uint64))
