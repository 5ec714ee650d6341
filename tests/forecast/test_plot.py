"""Plots of forecasts: real PNG and SVG files that say what they show."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from phrasemill.forecast.book import shipped_book
from phrasemill.forecast.model import forecast
from phrasemill.forecast.plot import ENGINES, TIME_AXIS, Bar, PlotError, curves, plot_cases, plot_engines
from phrasemill.forecast.question import Evidence, Measured, Question
from phrasemill.ranges import Range

QUESTION = Question(target={"phrases": 10_000_000})
BARS = [
    Bar("said once", "as first estimated", Range.exactly(3e7)),
    Bar("reckoned right", "corrected", Range(low=1e7, likely=2e7, high=4e7)),
    Bar("four engines, $5", "with measured rates", Range(low=5e3, likely=7e3, high=9e3)),
]


def texts(svg: Path) -> str:
    root = ElementTree.parse(svg).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return "\n".join("".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text"))


def pixels(png: Path) -> bytes:
    """The rows of a PNG, from its chunks, whose checksums are tried."""
    content = png.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    at, rows, kinds = 8, b"", []
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        assert struct.unpack(">I", content[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        rows += body if kind == b"IDAT" else b""
        kinds.append(kind)
        at += 12 + length
    assert (kinds[0], kinds[-1]) == (b"IHDR", b"IEND")
    return zlib.decompress(rows)


def draw_engines(path: Path, question: Question = QUESTION) -> None:
    plot_engines(curves(question), forecast(question), question=question, title="ten million", path=path)


class TestCurves:
    def test_each_model_over_each_number_of_engines(self) -> None:
        found = curves(QUESTION)
        assert [curve.model for curve in found] == list(shipped_book().models)
        for curve in found:
            assert [engines for engines, _ in curve.points] == list(ENGINES)
            for engines, time in curve.points:
                asked = QUESTION.model_copy(update={"model": curve.model, "engines_per_gpu": engines})
                assert time == forecast(asked).elapsed_s

    def test_more_engines_are_never_slower(self) -> None:
        for curve in curves(QUESTION):
            times = [time.likely for _, time in curve.points]
            assert times == sorted(times, reverse=True)

    def test_what_has_no_rate_is_left_out(self) -> None:
        found = curves(QUESTION.model_copy(update={"gpu": "cpu"}))
        assert {curve.model for curve in found} == {"qwen2.5-0.5b", "smollm2-135m"}
        assert all([engines for engines, _ in curve.points] == [1] for curve in found)

    def test_what_was_measured_is_of_the_questions_own_model(self) -> None:
        measured = Measured(value=Range.exactly(10.0), source="somewhere")
        evidence = Evidence(phrases_per_s=measured, engines=4)
        plain, changed = curves(QUESTION), curves(QUESTION, evidence=evidence)
        differing = {one.model for one, other in zip(plain, changed, strict=True) if one != other}
        assert differing == {"qwen2.5-1.5b"}


class TestEngines:
    def test_an_svg_says_what_is_shown(self, tmp_path: Path) -> None:
        draw_engines(tmp_path / "plot.svg")
        said = texts(tmp_path / "plot.svg").splitlines()
        for words in ("ten million", TIME_AXIS, "engines on each GPU", "this question", "1 h", "8 h", *("1", "4", "8")):
            assert words in said
        assert set(shipped_book().models) <= set(said)

    def test_a_png_is_whole_and_not_blank(self, tmp_path: Path) -> None:
        draw_engines(tmp_path / "plot.png")
        assert len(set(pixels(tmp_path / "plot.png"))) > 50

    def test_the_same_question_gives_the_same_bytes(self, tmp_path: Path) -> None:
        draw_engines(tmp_path / "one.svg")
        draw_engines(tmp_path / "other.svg")
        assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "other.svg").read_bytes()

    def test_streams_are_no_number_of_engines(self, tmp_path: Path) -> None:
        question = QUESTION.model_copy(update={"streams": 10, "tokens_per_s_per_stream": Range.exactly(30.0)})
        draw_engines(tmp_path / "plot.svg", question)
        assert "this question" not in texts(tmp_path / "plot.svg")

    def test_where_no_model_has_a_rate_it_says_so(self, tmp_path: Path) -> None:
        changes = {"gpu": "hosted", "streams": 1, "tokens_per_s_per_stream": Range.exactly(3.0)}
        with pytest.raises(PlotError, match="no rate of any model on hosted"):
            draw_engines(tmp_path / "plot.svg", QUESTION.model_copy(update=changes))


class TestCases:
    def test_an_svg_has_every_label_and_kind(self, tmp_path: Path) -> None:
        plot_cases(BARS, title="three of them", path=tmp_path / "plot.svg")
        said = texts(tmp_path / "plot.svg").splitlines()
        assert {"three of them", TIME_AXIS} <= set(said)
        for bar in BARS:
            assert bar.label in said
            assert bar.kind in said

    def test_a_png_is_whole_and_not_blank(self, tmp_path: Path) -> None:
        plot_cases(BARS, title="three of them", path=tmp_path / "plot.PNG")
        assert len(set(pixels(tmp_path / "plot.PNG"))) > 50


class TestRefusals:
    def test_another_ending(self, tmp_path: Path) -> None:
        with pytest.raises(PlotError, match=r"end in \.png or \.svg"):
            plot_cases(BARS, title="three", path=tmp_path / "plot.pdf")

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(PlotError, match="cannot be written"):
            plot_cases(BARS, title="three", path=tmp_path / "nowhere" / "plot.svg")

    def test_no_matplotlib(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(PlotError, match="pip install matplotlib"):
            plot_cases(BARS, title="three", path=tmp_path / "plot.svg")


def test_the_command_is_imported_without_matplotlib_storage_gate_and_airflow() -> None:
    code = (
        "import sys, phrasemill.cli.forecast; "
        "print([name for name in ('matplotlib', 'airflow', 'boto3', 'pandas', 'great_expectations') "
        "if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
