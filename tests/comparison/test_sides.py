"""How sides are written on the command line, and what is said when they cannot be."""

from pathlib import Path

import pytest

from phrasemill.comparison.alike import prompt_notes
from phrasemill.comparison.errors import ComparisonError
from phrasemill.comparison.sides import Side, read_axis, read_engines, read_side, sides_of
from phrasemill.errors import PhrasemillError, SpecError

URL = "http://127.0.0.1:1"


def sides(*corpora: Path, engines: list[str] | None = None, phrases: int = 60, **more: list[str]) -> list[Side]:
    return sides_of(
        [str(path) for path in corpora],
        engines=[read_engines(text) for text in engines or [URL]],
        named=[read_side(text) for text in more.get("side", [])],
        axes=[read_axis(text) for text in more.get("vary", [])],
        phrases=phrases,
    )


class TestEverythingTimesEverything:
    def test_one_file_at_several_engines(self, tiny: Path) -> None:
        found = sides(tiny, engines=[f"vllm={URL},http://127.0.0.1:2", "llama=http://127.0.0.1:3 model.name=a.gguf"])
        assert [side.name for side in found] == ["vllm", "llama"]
        assert [len(side.urls) for side in found] == [2, 1]
        assert [side.spec.model.served for side in found] == ["tiny-model", "a.gguf"]

    def test_several_files_at_one_engine(self, tiny: Path, other: Path) -> None:
        assert [side.name for side in sides(tiny, other)] == ["tiny", "other"]

    def test_one_side_has_the_name_of_its_corpus(self, tiny: Path) -> None:
        assert [side.name for side in sides(tiny)] == ["tiny"]

    def test_named_sides_and_axes(self, tiny: Path) -> None:
        found = sides(
            tiny,
            side=["plain:", "hot: sampling.temperature=1.5"],
            vary=["sampling.n=1,4", "sampling.phrases_per_prompt=1,2"],
        )
        assert len(found) == 8
        assert found[-1].name == "hot, n 4, phrases_per_prompt 2"
        sampling = found[-1].spec.sampling
        assert (sampling.temperature, sampling.n, sampling.phrases_per_prompt) == (1.5, 4, 2)
        assert found[0].spec.sampling.temperature == 1.0

    def test_a_side_is_tied_to_one_corpus_and_one_engine(self, tiny: Path, other: Path) -> None:
        found = sides(
            tiny,
            other,
            engines=[f"a={URL}", f"b={URL}"],
            side=["small: corpus=tiny engines=a", "large: corpus=other engines=b model.name=big"],
        )
        assert [side.name for side in found] == ["tiny, a, small", "other, b, large"]

    def test_engines_without_a_name_are_called_by_their_address(self, tiny: Path) -> None:
        found = sides(tiny, engines=["http://127.0.0.1:1/v1", "dns+http://engines:8000"])
        assert [side.name for side in found] == ["127.0.0.1:1/v1", "engines:8000"]

    def test_values_with_spaces_stand_in_quotes(self, tiny: Path) -> None:
        (side,) = sides(tiny, side=["terse: prompts.system='Answer briefly.' price.per_gpu_hour=2"])
        assert side.spec.prompts.system == "Answer briefly."
        assert side.spec.price is not None
        assert side.spec.price.per_gpu_hour == 2


class TestSizes:
    def test_every_side_has_one_block_of_the_phrases(self, tiny: Path) -> None:
        (side,) = sides(tiny, phrases=500)
        assert (side.spec.target_phrases, side.spec.shard_phrases, side.spec.block_phrases) == (500, 500, 500)

    def test_phrases_are_rounded_up_to_whole_prompts_whatever_the_blocks_of_the_file(self, tiny: Path) -> None:
        assert [side.spec.shard_phrases for side in sides(tiny, vary=["sampling.n=1,7"], phrases=60)] == [60, 63]


class TestKeys:
    def test_the_usual_variable(self, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PHRASEMILL_API_KEY", "secret")
        (side,) = sides(tiny)
        assert side.api_key() == "secret"

    def test_the_variable_that_engines_or_a_side_name(self, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PHRASEMILL_API_KEY", "mine")
        monkeypatch.setenv("HOSTED_KEY", "theirs")
        found = sides(tiny, engines=[f"own={URL}", f"hosted={URL} key=HOSTED_KEY", f"open={URL} key="])
        assert [side.api_key() for side in found] == ["mine", "theirs", None]
        (side,) = sides(tiny, side=["a: key=HOSTED_KEY"])
        assert side.api_key() == "theirs"
        assert "theirs" not in repr(side)

    def test_a_variable_that_is_not_set(self, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("HOSTED_KEY", raising=False)
        (side,) = sides(tiny, engines=[f"hosted={URL} key=HOSTED_KEY"])
        with pytest.raises(ComparisonError, match="not set"):
            side.api_key()

    def test_a_key_on_the_command_line_is_refused_and_not_repeated(self) -> None:
        with pytest.raises(ComparisonError, match="never the key itself") as error:
            read_engines(f"hosted={URL} key=sk-12345abc")
        assert "12345" not in str(error.value)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"side": ["n4 sampling.n=4"]}, "has no name"),
        ({"side": [": sampling.n=4"]}, "has no name"),
        ({"side": ["n4: sampling.n"]}, "no setting"),
        ({"side": ["n4: sampling.n=4 sampling.n=5"]}, "given twice"),
        ({"side": ["n4: prompts.system='oh"]}, "quotation mark"),
        ({"side": ["n4: sampling.n=[1"]}, "not YAML"),
        ({"side": ["a: engines=none"]}, "there is no engines=none"),
        ({"side": ["a: corpus=none"]}, "there is no corpus=none"),
        ({"side": ["a: sampling.n=1", "a: sampling.n=2"]}, "two sides are called 'a'"),
        ({"side": ["a: name.first=x"]}, "name has no fields"),
        ({"vary": ["sampling.n"]}, "no setting"),
        ({"vary": ["sampling.n=1 sampling.top_p=1"]}, "one field"),
        ({"vary": ["sampling.n=" + ",".join(map(str, range(1, 60)))]}, "59 sides"),
        ({"engines": ["vllm"]}, "no URL"),
        ({"engines": ["a=http://127.0.0.1:99999"]}, "port"),
        ({"engines": [f"a={URL}", f"a={URL}"]}, "two sides are called 'a'"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tiny: Path, more: dict[str, list[str]], told: str) -> None:
    with pytest.raises(PhrasemillError, match=told) as error:
        sides(tiny, **more)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("sampling.temperature=5", "sampling.temperature: 5 must be at most 2"),
        ("sampling.n=0", "sampling.n: 0 must be at least 1"),
        ("sampling.temprature=1", "did you mean temperature"),
        ("price.per_gpu_hour=1 price.per_million_prompt_tokens=1", "keep the one that is paid"),
    ],
)
def test_values_are_checked_as_those_of_a_corpus_file(tiny: Path, setting: str, told: str) -> None:
    with pytest.raises(SpecError, match=told) as error:
        sides(tiny, side=[f"odd: {setting}"])
    assert str(error.value).startswith(f"side 'odd' ({tiny}): ")
    assert "\n" not in str(error.value)


class TestPrompts:
    def test_the_same_prompts_need_no_note(self, tiny: Path, other: Path) -> None:
        assert prompt_notes(sides(tiny, other), may_differ=False) == []

    def test_other_lexicons_and_templates_are_refused_by_name(self, tiny: Path, other: Path) -> None:
        other.write_text(other.read_text().replace("a bell", "a gong").replace("Write one sentence", "Write"))
        both = sides(tiny, other)
        with pytest.raises(ComparisonError, match=r"prompts\.templates, prompts\.lexicons\.object differ") as error:
            prompt_notes(both, may_differ=False)
        assert "\n" not in str(error.value)
        (note,) = prompt_notes(both, may_differ=True)
        assert note.startswith("other asks other prompts than tiny")

    def test_another_system_text_is_noted(self, tiny: Path) -> None:
        both = sides(tiny, side=["plain:", "terse: prompts.system='Be brief.'"])
        assert prompt_notes(both, may_differ=False) == ["terse differs from plain in its system text"]


def test_two_files_of_one_name(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    copy = tmp_path / "more" / "tiny.yaml"
    copy.write_text(tiny.read_text())
    with pytest.raises(ComparisonError, match="same name"):
        sides(tiny, copy)
