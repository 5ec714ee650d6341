"""Sketches: the same for the same words, small for any, and near for near ones."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from phrasemill.release import tokens as module
from phrasemill.release.plan import BANDS
from phrasemill.release.sketches import MOST, Sketch, sketch_of
from phrasemill.release.tokens import tokens_of
from tests.release.templated_texts import templated


def sketched(texts: list[str]) -> Sketch:
    return sketch_of(tokens_of(pa.array(texts, pa.string())))


class TestKeys:
    def test_are_the_same_on_every_machine_and_in_every_version(self) -> None:
        keys = sketched(["The old miller counts his sacks.", "Старый мельник считает мешки.", "one"]).keys
        assert keys.shape == (BANDS, 3)
        assert [f"{key:08x}" for key in keys[0]] == ["98d679be", "eef94cae", "f557c6a7"]
        assert [f"{key:08x}" for key in keys[-1]] == ["983efc85", "6a1d2496", "f90b336d"]

    def test_follow_from_the_set_of_words_alone(self) -> None:
        keys = sketched(["a red fox, a red fox", "Fox red a", "A fox? RED!", "a red dog"]).keys
        assert (keys[:, :3] == keys[:, :1]).all()
        assert (keys[:, 3] != keys[:, 0]).all()

    def test_do_not_depend_on_the_phrases_beside(self) -> None:
        texts = [*templated("en", 300), "", "long " + " ".join(map(str, range(400)))]
        whole, backwards, alone = sketched(texts), sketched(texts[::-1]), sketched(texts[7:8])
        assert np.array_equal(whole.keys, backwards.keys[:, ::-1])
        assert np.array_equal(whole.bits, backwards.bits[:, ::-1])
        assert np.array_equal(whole.sizes, backwards.sizes[::-1])
        assert np.array_equal(whole.keys[:, 7:8], alone.keys)

    def test_agree_in_their_first_half_as_often_as_three_minima_do(self) -> None:
        words = np.array([f"w{number}" for number in range(36_000)]).reshape(-1, 18)
        pairs = [(" ".join(row[:15]), " ".join(row[3:])) for row in words]
        one, other = sketched([pair[0] for pair in pairs]).keys, sketched([pair[1] for pair in pairs]).keys
        agree = (one >> np.uint32(16) == other >> np.uint32(16)).mean(axis=1)
        # 12 of 18 words in both; each of BANDS shares deviates by 0.01 from its mean of 0.30.
        assert abs(agree - (12 / 18) ** 3).max() < 0.05

    def test_of_bands_are_drawn_apart(self) -> None:
        keys = sketched(templated("en", 500)).keys >> np.uint32(16)
        shares = [(keys[one] == keys[other]).mean() for one in range(BANDS) for other in range(one)]
        assert max(shares) < 0.01


class TestBitmaps:
    def test_differ_in_no_more_bits_than_words(self) -> None:
        texts = templated("ru", 400)
        sketch, tokens = sketched(texts), tokens_of(pa.array(texts))
        sets = [set(tokens.codes[tokens.starts[row] : tokens.starts[row + 1]].tolist()) for row in range(400)]
        for step in (1, 2, 3, 30):
            far = np.bitwise_count(sketch.bits[:, step:] ^ sketch.bits[:, :-step])
            words = [len(one ^ other) for one, other in zip(sets[step:], sets[:-step], strict=True)]
            assert (far <= words).all()
            assert far.min(axis=1).tolist() != [0, 0]

    def test_are_of_different_bits(self) -> None:
        bits = sketched(templated("en", 50)).bits
        assert (bits[0] != bits[1]).all()


class TestSizes:
    def test_count_different_words(self) -> None:
        assert sketched(["a b a", "", "a", "...", "A a b c-c d"]).sizes.tolist() == [2, 0, 1, 0, 4]

    def test_stop_at_255(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "CELLS", 1000)
        texts = [" ".join(map(str, range(count))) for count in (254, 255, 256, 600, 1005)]
        assert sketched(texts).sizes.tolist() == [254, MOST, MOST, MOST, MOST]

    def test_a_phrase_without_words_has_an_empty_sketch(self) -> None:
        sketch = sketched(["", "!"])
        assert not sketch.keys.any()
        assert not sketch.bits.any()

    def test_no_phrases_have_none(self) -> None:
        sketch = sketched([])
        assert (sketch.keys.shape, sketch.bits.shape, sketch.sizes.shape) == ((BANDS, 0), (2, 0), (0,))


class TestMemory:
    def test_one_long_phrase_does_not_widen_all(self) -> None:
        heights = []
        for longest in (12, 5000):
            tokens = tokens_of(pa.array(["a b c d e f g h i j k l"] * 20_000 + [" ".join(map(str, range(longest)))]))
            tracemalloc.start()
            sketch_of(tokens)
            heights.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert heights[1] < 1.5 * heights[0]
