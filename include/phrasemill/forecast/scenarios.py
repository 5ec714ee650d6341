"""Scenarios: what was once said that a target takes, reckoned right, corrected, and at measured rates.

Each is one YAML file, named after the scenario. Four are shipped; others are read from the folders of
$PHRASEMILL_SCENARIOS, or from a file given by its path.
"""

import copy
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationError

from phrasemill.corpus_text import CorpusText, Line
from phrasemill.errors import SpecError
from phrasemill.fields import StrictModel, Text
from phrasemill.forecast.amounts import AmountError, parse_target
from phrasemill.forecast.answer import Forecast
from phrasemill.forecast.book import BookError, shipped_book
from phrasemill.forecast.model import forecast
from phrasemill.forecast.question import Figure, ForecastError, Question, Target, positive
from phrasemill.forecast.scenario_mistakes import mistake_lines
from phrasemill.mistakes import Place

SCENARIOS_VARIABLE = "PHRASEMILL_SCENARIOS"
SHIPPED = Path(__file__).parent / "scenario_files"
CASES = ("corrected", "measured")
"""The sections of a file that are lists of cases, in the order of `Scenario.cases`."""


class ScenarioError(ForecastError):
    """A scenario file is wrong or not there; the message has a line for every mistake: file, line, field, fix."""


class FirstEstimate(StrictModel):
    """What was said before anything was measured."""

    words: Text
    days: Annotated[Figure, AfterValidator(positive)]
    """Calendar days."""


class Case(StrictModel):
    """The same work under other assumptions."""

    title: Text
    question: Question


class Scenario(StrictModel):
    """One way to do the work."""

    name: Text
    """The file's name without .yaml."""
    title: Text
    first_estimate: FirstEstimate | None = None
    question: Question
    """With the first estimate's own assumptions, where there is one."""
    why: tuple[Text, ...] = ()
    """Why the first estimate is not the answer."""
    corrected: tuple[Case, ...] = ()
    """With what the first estimate forgot."""
    measured: tuple[Case, ...] = ()
    """On engines whose rates were measured."""

    def cases(self) -> tuple[Case, ...]:
        """The scenario's question, its corrections and its measured cases, in this order."""
        return (Case(title=self.title, question=self.question), *self.corrected, *self.measured)


def scenarios() -> tuple[Scenario, ...]:
    """All scenarios by title: those shipped, and those of $PHRASEMILL_SCENARIOS, which win where names meet.

    Raises:
        ScenarioError: a file is wrong.
    """
    files = {path.stem: path for folder in scenario_folders() for path in sorted(folder.glob("*.yaml"))}
    return tuple(sorted(map(load_scenario, files.values()), key=lambda scenario: scenario.title))


def find_scenario(name_or_path: str) -> Scenario:
    """A scenario by its name or by its file's path.

    Raises:
        ScenarioError: there is none, or the file is wrong.
    """
    path = Path(name_or_path).expanduser()
    if path.suffix in {".yaml", ".yml"}:
        return load_scenario(path)
    files = {path.stem: path for folder in scenario_folders() for path in folder.glob("*.yaml")}
    if name_or_path not in files:
        known = ", ".join(sorted(files))
        raise ScenarioError(f"there is no scenario {name_or_path!r}; give a YAML file, or one of these: {known}")
    return load_scenario(files[name_or_path])


def load_scenario(path: Path) -> Scenario:
    """Read and validate one scenario file, and see that it can be forecast.

    Raises:
        ScenarioError: with a line for each mistake.
    """
    try:
        stat = path.stat()
        return _load(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror}); give the path of a scenario file") from error
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: is not UTF-8 text ({error.reason}); save the file as UTF-8") from error


def parse_scenario(text: str, *, source: str) -> Scenario:
    """Validate the text of a scenario file; `source` is the file's path, for its name and for messages.

    Raises:
        ScenarioError: with a line for each mistake.
    """
    try:
        written = CorpusText(text, source)
    except SpecError as error:
        raise ScenarioError(str(error)) from error
    lines = written.odd_keys
    fields = _with_targets(written, lines)
    try:
        scenario = Scenario.model_validate({**fields, "name": Path(source).stem})
    except ValidationError as error:
        lines += mistake_lines(error, written, Scenario)
    else:
        lines += _unanswered(scenario, written)
    if written.has(("name",)):
        lines.append(written.line(("name",), "is the file's own name; remove it"))
    if lines:
        raise ScenarioError("\n".join(line.words for line in sorted(lines)))
    return scenario


@lru_cache(maxsize=64)
def _load(path: Path, _mtime_ns: int, _size: int) -> Scenario:
    return parse_scenario(path.read_text(encoding="utf-8-sig"), source=str(path))


def scenario_folders() -> list[Path]:
    """Folders that hold scenario files; where names meet, the later one wins."""
    listed = os.environ.get(SCENARIOS_VARIABLE, "").split(os.pathsep)
    return [SHIPPED, *(Path(folder).expanduser() for folder in listed if folder)]


def _with_targets(written: CorpusText, lines: list[Line]) -> dict[str, Any]:
    """The fields of a file, targets in words taken apart. What else is wrong is told when they are validated."""
    fields = copy.deepcopy(written.fields)
    for place, case in _places(fields):
        question = case.get("question") if isinstance(case, dict) else None
        if isinstance(question, dict) and isinstance(question.get("target"), str):
            try:
                target = parse_target(question["target"])
            except AmountError as error:
                lines.append(written.line((*place, "question", "target"), str(error)))
                target = Target(phrases=1)  # the mistake is told already, the other fields are still to be checked
            question["target"] = target.model_dump(exclude_none=True)
    return fields


def _places(fields: dict[str, Any]) -> Iterator[tuple[Place, Any]]:
    """Where questions stand in a file: at its top, and in each of its cases."""
    yield (), fields
    for section in CASES:
        for number, case in enumerate(cases if isinstance(cases := fields.get(section), list) else ()):
            yield (section, number), case


def _unanswered(scenario: Scenario, written: CorpusText) -> list[Line]:
    """A line for each question that the forecast's book has no answer to."""
    lines = []
    for (place, _), case in zip(_places(written.fields), scenario.cases(), strict=True):
        try:
            shipped_book().model(case.question.model)
        except BookError as error:
            lines.append(written.line((*place, "question", "model"), str(error)))
            continue
        try:
            forecast(case.question)
        except ForecastError as error:
            lines.append(written.line((*place, "question"), str(error)))
    return lines


class Told(StrictModel):
    """A scenario with its forecasts."""

    scenario: Scenario
    forecast: Forecast
    """Of the scenario's own question."""
    corrected: tuple[Forecast, ...]
    measured: tuple[Forecast, ...]


def tell(scenario: Scenario) -> Told:
    """Forecast a scenario's question and its cases."""
    corrected = tuple(forecast(case.question) for case in scenario.corrected)
    measured = tuple(forecast(case.question) for case in scenario.measured)
    return Told(scenario=scenario, forecast=forecast(scenario.question), corrected=corrected, measured=measured)
