import pytest

from phrasemill.corpus_file import load_corpus
from phrasemill.demo.corpus_choice import Choice, block_size, chosen_corpus, derived
from phrasemill.demo.errors import DemoOptionError
from phrasemill.demo.layout import MODEL, Layout
from phrasemill.fingerprint import fingerprint


class TestWithoutOptions:
    def test_grinds_the_shipped_corpus_as_it_is(self, layout: Layout) -> None:
        spec, file = chosen_corpus(layout, Choice())
        assert file == layout.shipped_corpora / "demo.yaml"
        assert (spec.name, spec.target_phrases, spec.shard_count) == ("demo", 240, 4)
        assert not layout.corpora.exists()


class TestDerivedCorpus:
    def test_holds_the_phrases_in_the_shards_asked_for(self, layout: Layout) -> None:
        spec, file = chosen_corpus(layout, Choice(phrases="60", shards="3"))
        assert file == layout.corpora / "demo_60x3.yaml"
        assert (spec.name, spec.target_phrases, spec.shard_phrases, spec.block_phrases) == ("demo_60x3", 60, 20, 20)
        assert (spec.schedule.cron, spec.schedule.shards_per_night) == (None, 3)

    def test_asks_the_same_prompts_of_the_demos_model(self, layout: Layout) -> None:
        shipped = load_corpus(layout.shipped_corpora / "demo.yaml")
        spec, _ = chosen_corpus(layout, Choice(shards="2"))
        assert spec.prompts == shipped.prompts
        assert spec.model.name == MODEL

    def test_of_another_corpus_is_ground_on_the_demos_parts(self, layout: Layout) -> None:
        spec, _ = chosen_corpus(layout, Choice(corpus="hyperphrases_en"))
        assert (spec.name, spec.target_phrases, spec.shard_count) == ("hyperphrases_en_240x4", 240, 4)
        assert (spec.model.name, spec.storage.bucket, spec.oversample) == (MODEL, "phrasemill", 0)

    def test_is_the_same_when_asked_for_twice(self, layout: Layout) -> None:
        choice = Choice(phrases="40", shards="2")
        first, file = chosen_corpus(layout, choice)
        text = file.read_text(encoding="utf-8")
        second, _ = chosen_corpus(layout, choice)
        assert file.read_text(encoding="utf-8") == text
        assert fingerprint(first) == fingerprint(second)

    @pytest.mark.parametrize(("shard_phrases", "block"), [(60, 20), (20, 20), (30, 15), (37, 1), (100, 20), (7, 7)])
    def test_block_is_the_largest_divisor_up_to_twenty(self, shard_phrases: int, block: int) -> None:
        assert block_size(shard_phrases) == block


class TestBadValues:
    @pytest.mark.parametrize(
        ("choice", "words"),
        [
            (Choice(phrases="sixty"), "PHRASES=sixty: give a whole number above 0"),
            (Choice(phrases="0"), "PHRASES=0: give a whole number above 0"),
            (Choice(shards="-2"), "SHARDS=-2: give a whole number above 0"),
            (Choice(shards="٣"), "SHARDS=٣: give a whole number above 0"),
            (Choice(phrases="61"), "PHRASES=61 is not divisible by SHARDS=4; the nearest PHRASES: 60 or 64"),
            (Choice(phrases="2"), "PHRASES=2 is not divisible by SHARDS=4; the nearest PHRASES: 4"),
            (Choice(phrases="2000", shards="2000"), "SHARDS=2000: a night holds at most 1024 shards"),
            (Choice(corpus="nope"), "CORPUS=nope: there is no such corpus; choose from: demo"),
            (Choice(corpus="../demo"), "CORPUS=../demo: there is no such corpus"),
        ],
    )
    def test_are_refused_in_one_line(self, layout: Layout, choice: Choice, words: str) -> None:
        with pytest.raises(DemoOptionError) as refused:
            chosen_corpus(layout, choice)
        assert str(refused.value).startswith(words)
        assert "\n" not in str(refused.value)

    def test_phrases_that_divide_pass(self, layout: Layout) -> None:
        shipped = load_corpus(layout.shipped_corpora / "demo.yaml")
        assert derived(shipped, phrases=1024, shards=1024).shard_count == 1024
