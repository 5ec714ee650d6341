"""docs/deploy.md names nothing that is not there, and no figure that is not the forecast's."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from phrasemill.cli.program import app
from tests.docker.compose_files import (
    DOCKER,
    EVERY_PROFILE,
    FLEET,
    ROOT,
    read_compose,
)


class TestDeployGuide:
    TEXT = (ROOT / "docs" / "deploy.md").read_text()

    def test_phrasemill_has_its_commands_and_options(self) -> None:
        found = re.findall(
            r"(?:^|run --rm |/bin/|`)phrasemill ((?:[a-z][a-z-]*)(?: [^`#|&\n]*)?)", self.TEXT, re.MULTILINE
        )
        assert len(found) > 10
        for line in found:
            name, *words = shlex.split(line)
            command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
            known = {spelling for parameter in command.params for spelling in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= known, line

    def test_airflow_has_its_commands(self, tmp_path: Path) -> None:
        found = re.findall(r"exec scheduler airflow ([^`#|&\n]*)", self.TEXT)
        assert len(found) > 3
        script = (
            "import sys, json\n"
            "from airflow.cli.cli_parser import get_parser\n"
            "for words in json.loads(sys.argv[1]):\n"
            "    get_parser().parse_args(words)\n"
        )
        subprocess.run(
            [sys.executable, "-c", script, json.dumps([shlex.split(line) for line in found])],
            check=True,
            capture_output=True,
            env=os.environ | {"AIRFLOW_HOME": str(tmp_path)},
        )

    def test_compose_has_its_files_and_services(self, env_file: Path) -> None:
        files = set(re.findall(r"docker/compose[.\w]*\.yaml", self.TEXT))
        assert len(files) == 4
        assert all((ROOT / file).is_file() for file in files)
        services = read_compose(FLEET, env_file, *EVERY_PROFILE)["services"].keys()
        named = re.findall(
            r"\b(?:(?:dc|yaml) (?:exec|exec -T|run --rm|stop|logs)|--wait|--scale) ([a-z][\w-]*)", self.TEXT
        )
        assert len(named) > 10
        assert set(named) <= services

    def test_its_settings_are_read_by_a_compose_file(self) -> None:
        read = {
            name for file in DOCKER.glob("compose*.yaml") for name in re.findall(r"\$\{([A-Z_0-9]+)", file.read_text())
        }
        named = set(re.findall(r"`([A-Z][A-Z_0-9]{3,})[=`]", self.TEXT)) - {"UPGRADE", "NAME"}
        assert len(named) > 8
        assert named <= read
        example = set(re.findall(r"^(?:# )?([A-Z_0-9]+)=", (DOCKER / ".env.example").read_text(), re.MULTILINE))
        assert example <= read
        assert read - example <= {"AIRFLOW_IMAGE", "ENGINES_IMAGE", "ENGINES_CPU_IMAGE", "BUCKET"}

    def test_its_times_and_costs_are_what_the_forecast_says(self) -> None:
        models, gpus = {"1.5B": "qwen2.5-1.5b", "7B": "qwen2.5-7b"}, {"24 GB": "24gb", "48 GB": "48gb"}
        rows = re.findall(
            r"^\| ([\d,]+) \| (\S+B) \| (\d) x (.*?) \| (.*?) h (.*?) \| (.*?) \| (.*?) \| (.*?) \|$", self.TEXT, re.M
        )
        assert len(rows) == 6
        for target, model, count, gpu, hours, hours_range, gpu_hours, price, money in rows:
            asked = ["--target", f"{target.replace(',', '')} phrases", "--model", models[model], "--gpus", count]
            asked += ["--gpu", gpus.get(gpu, "80gb-hopper"), "--price", price.split()[0], "--json"]
            answer = CliRunner().invoke(app, ["forecast", *asked])
            told = json.loads(answer.stdout)["forecast"]
            for figure, words, unit in (
                ("elapsed_s", f"{hours} {hours_range}", 3600), ("gpu_hours", gpu_hours, 1), ("money", money, 1)
            ):  # fmt: skip
                likely, low, high = (float(number.replace(",", "")) for number in re.findall(r"[\d.,]+", words))
                said = [told[figure][name] / unit for name in ("likely", "low", "high")]
                assert said == pytest.approx([likely, low, high], rel=0.04), (target, gpu, figure)
