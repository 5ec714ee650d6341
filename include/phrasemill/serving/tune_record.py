"""The record of a tuning run: one line of JSON for each finished measurement, kept durably, so that it can go on.

The first line says what was measured on what. A record of another machine, model, vLLM, corpus or profile is refused,
as its figures would be compared with ours. A last line that a crash cut short is taken away; all others stand.
"""

import datetime as dt
import fcntl
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import orjson
import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from phrasemill.serving.errors import ServingError
from phrasemill.serving.profiles import Profile
from phrasemill.serving.tune_plan import Candidate

TUNED = Candidate.model_fields.keys() - {"n"}
FOR_PEOPLE = {"name", "title", "sources", "start_s", "gpu", "gpu_memory_gib", "gpu_names", "model_size"}
"""Fields of a profile that change nothing of how an engine runs."""


class RecordRefused(ServingError):
    """A tuning record cannot be gone on with: it is of something else, damaged, or in use."""


class Identity(BaseModel):
    """What a record is of. `profile` holds the settings that are the same in all candidates."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    machine: str
    model: str
    vllm: str
    corpus: str
    fingerprint: str
    profile: dict[str, Any]

    def differences(self, other: "Identity") -> list[str]:
        """What differs, in words: ours, then the other's."""
        ours, theirs = self._flat(), other._flat()
        return [
            f"{name} is {ours.get(name)!r} here and {theirs.get(name)!r} in the record"
            for name in dict.fromkeys([*ours, *theirs])
            if ours.get(name) != theirs.get(name)
        ]

    def _flat(self) -> dict[str, Any]:
        fields = self.model_dump(mode="json")
        profile = fields.pop("profile")
        return fields | {f"profile.{name}": value for name, value in profile.items()}


class Measurement(BaseModel):
    """What one candidate did over one window.

    `accepted`, `judged`, `completion_tokens` and `rejects` count from the start of the ramp on, as they only say how
    much of the text is accepted; the rates are of the window alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    candidate: Candidate
    window_s: float
    """As planned; with the candidate it tells whether this has been measured."""
    at: dt.datetime
    engines: int
    """Engines asked, on all GPUs."""
    resident_per_gpu: int
    """Engines that were running on each GPU, idle ones included."""
    seconds: float = 0.0
    accepted: int = 0
    judged: int = 0
    completion_tokens: int = 0
    rejects: dict[str, int] = Field(default_factory=dict)
    counted_phrases_per_s: float = 0.0
    """Accepted in the window by its length."""
    client_tokens_per_s: float = 0.0
    """Completion tokens of the lists that came back in the window."""
    engine_tokens_per_s: float | None = None
    """From the engines' own counters; None if one has none."""
    client_cpu: float = 0.0
    """Cores that this process used; at 1 the measurement is of the client, not of the engines."""
    gpu_percent: float | None = None
    """Mean utilisation of the GPUs as NVML has it; None without."""
    faults: int = 0
    """Lists that an engine failed on."""
    failed: str = ""
    """Why there is no result."""

    @property
    def reject_share(self) -> float:
        """Rejected outputs of all judged, 0 to 1."""
        return 1 - self.accepted / self.judged if self.judged else 0.0


class TuneRecord:
    """An open record; use it as a context manager. One process at a time may have it open.

    Raises:
        RecordRefused: it is of something else (the message names what), damaged, or in use.
    """

    def __init__(self, path: Path, identity: Identity) -> None:
        self._path = path
        self._identity = identity
        self.measurements: list[Measurement] = []
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a+b")
        try:
            self._lock(self._file)
            self._read(self._file)
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    def find(self, candidate: Candidate, window_s: float) -> Measurement | None:
        """The measurement of a candidate over such a window, if it succeeded."""
        for one in self.measurements:
            if one.candidate == candidate and one.window_s == window_s and not one.failed:
                return one
        return None

    def add(self, measurement: Measurement) -> None:
        """Keep a measurement; it is on disk when this returns."""
        self.measurements.append(measurement)
        self._append(measurement.model_dump(mode="json"))

    def _lock(self, file: IO[bytes]) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RecordRefused(
                f"{self._path}: another tuning run is writing this record; wait for it, or name another record"
            ) from error

    def _read(self, file: IO[bytes]) -> None:
        file.seek(0)
        content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        file.truncate(len(whole))
        lines = whole.splitlines()
        if not lines:
            self._append({"kind": "tuning record"} | self._identity.model_dump(mode="json"))
            return
        header = self._parse(1, lines[0])
        header.pop("kind", None)
        try:
            theirs = Identity.model_validate(header)
            self.measurements = [
                Measurement.model_validate(self._parse(number, line)) for number, line in enumerate(lines[1:], start=2)
            ]
        except ValidationError as error:
            raise RecordRefused(f"{self._path}: is no tuning record of this version; name another one") from error
        if differing := self._identity.differences(theirs):
            raise RecordRefused(
                f"{self._path}: was measured on something else ({'; '.join(differing)}); name another record"
            )

    def _parse(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise RecordRefused(
                f"{self._path}:{number}: is damaged; remove this line to go on with the others, or name another record"
            ) from error
        return dict(fields) if isinstance(fields, dict) else {}

    def _append(self, fields: Mapping[str, Any]) -> None:
        if self._file is None:
            raise RecordRefused(f"{self._path}: is not open; use it as a context manager")
        self._file.write(orjson.dumps(fields) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def fixed_settings(profile: Profile) -> dict[str, Any]:
    """The settings of a profile that engines are started with and no candidate varies."""
    return profile.model_dump(mode="json", exclude={*TUNED, *FOR_PEOPLE})


def describe_machine(gpu_names: Sequence[str]) -> str:
    """The machine in words that are the same at the next run on it, or on its twin."""
    counts = {name: list(gpu_names).count(name) for name in gpu_names}
    gpus = [f"{count} x {name}" for name, count in counts.items()]
    memory = round(psutil.virtual_memory().total / 2**30)
    return ", ".join([*gpus, f"{psutil.cpu_count()} cores {platform.machine()}", f"{memory} GiB"])
