import importlib.util
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from phrasemill.serving.tune_plot import PlotUnavailable, longest, plot_tuning
from tests.serving.tuning import candidate, measurement

needs_matplotlib = pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is missing")


def texts(svg: Path) -> str:
    root = ElementTree.parse(svg).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return "\n".join("".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text"))


def some() -> list:
    return [
        measurement(candidate(engines_per_gpu=count, list_size=size, in_flight=in_flight), engine_tokens_per_s=speed)
        for count, size, in_flight, speed in (
            (1, 8, 32, 500.0),
            (1, 8, 64, 600.0),
            (2, 8, 64, 1000.0),
            (2, 16, 64, 900.0),
        )
    ]


@needs_matplotlib
class TestPlot:
    def test_it_is_an_svg_whose_text_says_what_is_shown(self, tmp_path: Path) -> None:
        measurements = some()
        plot_tuning(measurements, best=measurements[2], title="tiny on a bench", path=tmp_path / "tune.svg")
        said = texts(tmp_path / "tune.svg")
        for words in (
            "tiny on a bench",
            "accepted phrases/s",
            "prompts in flight an engine",
            "1 engine a device, 64 sequences",
            "2 engines a device, 64 sequences",
            "lists of 8",
            "lists of 16",
            "best: 40.0",
        ):
            assert words in said

    def test_heats_have_rows_of_their_own(self, tmp_path: Path) -> None:
        measurements = [*some(), measurement(candidate(quantization="fp8", n=4), engine_tokens_per_s=1500.0)]
        plot_tuning(measurements, best=measurements[-1], title="two heats", path=tmp_path / "tune.svg")
        assert "2 engines a device, 64 sequences, n 4, fp8" in texts(tmp_path / "tune.svg")

    def test_the_same_measurements_give_the_same_bytes(self, tmp_path: Path) -> None:
        measurements = some()
        for name in ("one.svg", "other.svg"):
            plot_tuning(measurements, best=measurements[2], title="tiny", path=tmp_path / name)
        assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "other.svg").read_bytes()


def test_a_candidate_is_shown_with_its_longest_measurement_and_failed_ones_are_not() -> None:
    short, long = measurement(), measurement(window_s=40.0, engine_tokens_per_s=1100.0)
    failed = measurement(candidate(in_flight=128), failed="no engine")
    assert [one for one, _ in longest([short, long, failed])] == [long]


def test_without_matplotlib_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    measurements = some()
    with pytest.raises(PlotUnavailable, match="pip install matplotlib"):
        plot_tuning(measurements, best=measurements[0], title="tiny", path=tmp_path / "tune.svg")


def test_tuning_is_imported_without_matplotlib_nvml_airflow_and_storage() -> None:
    code = (
        "import sys, phrasemill.serving.tune; "
        "print([name for name in ('matplotlib', 'pynvml', 'airflow', 'boto3', 'pandas', 'great_expectations') "
        "if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
