"""Faults that a test asks for: what each mode takes, and which requests it strikes. Values only, no I/O."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from types import UnionType
from typing import Any

from phrasemill.engines.fake.text import TEXT_MODES

GENERATING = ("/v1/completions", "/v1/chat/completions")
STRIKING = frozenset({"count", "probability", "after", "contains", "path"})
# Mode -> the fields it takes besides those of STRIKING.
MODES: dict[str, frozenset[str]] = {
    "status": frozenset({"status", "retry_after", "message"}),
    "burst": frozenset({"seconds"}),
    "hang": frozenset(),
    "slow": frozenset({"seconds"}),
    "truncated": frozenset(),
    "wrong_json": frozenset({"body"}),
    "missing_choice": frozenset({"choices"}),
    "repeated_choice": frozenset(),
    "shuffled": frozenset(),
    "abort": frozenset({"choices"}),
    "close": frozenset(),
    "close_after": frozenset(),
    "reset": frozenset(),
    "unhealthy": frozenset(),
    "die": frozenset({"seconds"}),
    "engine_dead": frozenset(),
    "text": frozenset({"text", "share"}),
    "other_model": frozenset({"model"}),
}
CHOICE_MODES = frozenset({"missing_choice", "repeated_choice", "shuffled", "abort"})


class BadFault(ValueError):
    """A fault that cannot be: unknown mode, unknown or wrong field."""


@dataclass(kw_only=True, slots=True)
class Fault:
    """One fault: a mode, what the mode takes, and which requests it strikes.

    It strikes requests of `path` (default: both generating ones; `/health` for unhealthy) whose prompts hold
    `contains`, first letting `after` of them pass, then with `probability`, `count` times (None: until it is
    cleared).

    `status` answers an error of that HTTP status (`retry_after` in seconds). `burst` answers 429 to this request
    and to all that come within so many `seconds`. `hang` never answers. `slow`
    makes every sequence wait `seconds` more. `truncated` sends half the body under the full Content-Length
    and closes. `wrong_json` answers 200 with `body`, or with the real body cut in half. `missing_choice` leaves
    out `choices` of the choices, `repeated_choice` gives one index twice, `shuffled` sends them out of order,
    `abort` gives `choices` of them finish_reason abort. `close` closes the connection unanswered,
    `close_after` right after the answer without saying so, `reset` after the headers. `die` ends the process
    as the request comes in (or `seconds` later); `engine_dead` fails all in flight with 500 first, as vLLM
    does. `text` writes a share of the answers to the matching prompts in another text mode. `other_model`
    serves under another name until it is cleared.
    """

    mode: str
    status: int = 500
    retry_after: float | None = None
    message: str = ""
    seconds: float = 0.0
    body: str | None = None
    choices: int = 1
    text: str = "good"
    share: float = 1.0
    model: str = ""
    count: int | None = None
    probability: float = 1.0
    after: int = 0
    contains: str = ""
    path: str | None = None

    @classmethod
    def from_json(cls, value: object) -> "Fault":
        """Make a fault of a decoded JSON object. Raises BadFault, naming what is wrong and what may be."""
        if not isinstance(value, dict) or not isinstance(value.get("mode"), str):
            raise BadFault('a fault is an object such as {"mode": "status", "status": 503, "count": 3}')
        mode = value["mode"]
        if mode not in MODES:
            raise BadFault(f"fault mode {mode!r} is unknown; the modes are {', '.join(MODES)}")
        allowed = MODES[mode] | (frozenset() if mode == "other_model" else STRIKING)
        for name, given in value.items():
            if name != "mode" and name not in allowed:
                raise BadFault(f"fault {mode!r} takes no {name!r}; it takes {', '.join(sorted(allowed))}")
            if isinstance(given, bool) or not isinstance(given, _KINDS[name]):
                raise BadFault(f"fault {mode!r}: {name} cannot be {given!r}")
        fault = cls(**value)
        for name, (least, most) in _RANGES.items():
            number = getattr(fault, name)
            if number is not None and not least <= number <= most:
                raise BadFault(f"fault {mode!r}: {name} is {number}, but must be between {least} and {most}")
        if fault.text not in TEXT_MODES:
            raise BadFault(f"text mode {fault.text!r} is unknown; the modes are {', '.join(TEXT_MODES)}")
        if mode == "other_model" and not fault.model:
            raise BadFault("fault 'other_model' needs the model's name in 'model'")
        return fault

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths whose requests it strikes."""
        if self.path is not None:
            return (self.path,)
        return ("/health",) if self.mode == "unhealthy" else GENERATING

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults, with the counts as they stand now."""
        defaults = {field.name: field.default for field in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != defaults[name]}


_KINDS: dict[str, type | UnionType] = {
    "mode": str, "status": int, "retry_after": int | float | None, "message": str, "seconds": int | float,
    "body": str | None, "choices": int, "text": str, "share": int | float, "model": str, "count": int | None,
    "probability": int | float, "after": int, "contains": str, "path": str | None,
}  # fmt: skip

_RANGES: dict[str, tuple[float, float]] = {
    "status": (400, 599), "retry_after": (0, 3600), "seconds": (0, 3600), "choices": (1, 10**6),
    "share": (0, 1), "count": (1, 10**9), "probability": (0, 1), "after": (0, 10**9),
}  # fmt: skip


class FaultQueue:
    """The faults in force, oldest first: a request gets the first one that strikes it, and no other."""

    def __init__(self, *, seed: int) -> None:
        self._faults: list[Fault] = []
        self._draw = random.Random(seed)  # noqa: S311 - repeatable on purpose, nothing secret
        self.struck: Counter[str] = Counter()

    def add(self, faults: Iterable[Fault]) -> None:
        """Put faults in force behind those that are."""
        self._faults += faults

    def clear(self) -> None:
        """Take all faults out of force and forget how often each struck."""
        self._faults.clear()
        self.struck.clear()

    def to_json(self) -> list[dict[str, Any]]:
        """The faults in force, with the counts they have left."""
        return [fault.to_json() for fault in self._faults]

    @property
    def other_model(self) -> str | None:
        """The name that the engine serves its model under instead of its own, if one is asked for."""
        return next((fault.model for fault in reversed(self._faults) if fault.mode == "other_model"), None)

    def take(self, path: str, prompts: Sequence[str] = ()) -> Fault | None:
        """The fault that strikes this request, if any; its counts go down."""
        return self._take(path, prompts, text=False) if self._faults else None

    def take_text(self, path: str, prompts: Sequence[str]) -> Fault | None:
        """The `text` fault for this request's answers, if any: it may come on top of another fault."""
        return self._take(path, prompts, text=True) if self._faults else None

    def _take(self, path: str, prompts: Sequence[str], *, text: bool) -> Fault | None:
        for fault in self._faults:
            if (fault.mode == "text") is not text or fault.mode == "other_model" or path not in fault.paths:
                continue
            if fault.contains and not any(fault.contains in prompt for prompt in prompts):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            if fault.probability < 1 and self._draw.random() >= fault.probability:
                continue
            if fault.count is not None:
                fault.count -= 1
                if fault.count <= 0:
                    self._faults.remove(fault)
            self.struck[fault.mode] += 1
            return fault
        return None
