"""What one fake engine is told at its start."""

from dataclasses import dataclass
from pathlib import Path

from phrasemill.engines.fake.text import TEXT_MODES
from phrasemill.errors import PhrasemillError

API_KEY_VARIABLE = "PHRASEMILL_FAKE_API_KEY"


class FakeEngineError(PhrasemillError):
    """The fake engine cannot start or run as asked: a bad setting, a port taken, no answer in time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FakeEngineSettings:
    """Everything that decides how a fake engine behaves from its start on.

    `latency_ms` is what every sequence waits before its first token; `tokens_per_second` is the rate of the
    whole engine, shared evenly by the sequences that run (0: no limit). `max_num_seqs` is how many run at
    once. A share `bad_share` of the outputs takes one of `bad_modes` instead of `text`, in turn. `seed` None
    means another one each start, so that engines and restarts do not repeat each other's sentences.
    `shutdown_timeout` is vLLM's: so many seconds after SIGTERM for lists in flight, while new ones get 500.
    Raises FakeEngineError for values out of range.
    """

    host: str = "127.0.0.1"
    port: int = 0
    model: str = "fake-model"
    lora: tuple[str, ...] = ()
    max_model_len: int = 1024
    max_num_seqs: int = 512
    latency_ms: float = 0.0
    tokens_per_second: float = 0.0
    text: str = "good"
    bad_modes: tuple[str, ...] = ()
    bad_share: float = 0.0
    seed: int | None = None
    keep_alive_s: float = 120.0
    shutdown_timeout: int = 0
    api_key: str | None = None
    port_file: Path | None = None
    until_stdin_closes: bool = False

    def __post_init__(self) -> None:
        mistakes = [
            f"{name} is {getattr(self, name)}, but must be {rule}"
            for name, rule, kept in (
                ("port", "between 0 (any free one) and 65535", 0 <= self.port <= 65535),
                ("model", "a name", bool(self.model)),
                ("max_model_len", "at least 2", self.max_model_len >= 2),
                ("max_num_seqs", "at least 1", self.max_num_seqs >= 1),
                ("latency_ms", "0 or more", self.latency_ms >= 0),
                ("tokens_per_second", "0 (no limit) or more", self.tokens_per_second >= 0),
                ("bad_share", "between 0 and 1", 0 <= self.bad_share <= 1),
                ("keep_alive_s", "more than 0", self.keep_alive_s > 0),
                ("shutdown_timeout", "0 or more", self.shutdown_timeout >= 0),
            )
            if not kept
        ]
        mistakes += [
            f"text mode {mode!r} is unknown; the modes are {', '.join(TEXT_MODES)}"
            for mode in (self.text, *self.bad_modes)
            if mode not in TEXT_MODES
        ]
        if self.bad_share and not self.bad_modes:
            mistakes.append(f"bad_share is {self.bad_share}, but no bad mode is named")
        if mistakes:
            raise FakeEngineError("fake engine settings: " + "; ".join(mistakes))
