"""What one fake engine is told at its start."""

from dataclasses import dataclass
from pathlib import Path

from phrasemill.engines.fake.families import DEFAULT_FAMILY, families
from phrasemill.engines.fake.text import TEXT_MODES
from phrasemill.errors import PhrasemillError

API_KEY_VARIABLE = "PHRASEMILL_FAKE_API_KEY"
APIS = ("vllm", "chat", "tgi")
REFUSALS = ("max_tokens", "n", "system", "unknown_fields")
RETRY_STYLES = ("seconds", "date", "ms", "none")


class FakeEngineError(PhrasemillError):
    """The fake engine cannot start or run as asked: a bad setting, a port taken, no answer in time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FakeEngineSettings:
    """Everything that decides how a fake engine behaves from its start on.

    `latency_ms` is what every sequence waits before its first token; `tokens_per_second` is the rate of the
    whole engine, shared evenly by the sequences that run (0: no limit). `max_num_seqs` is how many run at
    once. A share `bad_share` of the outputs takes one of `bad_modes` instead of `text`, in turn. The text mode
    `sentences` writes the lines of the file of that name, one after the other and then again. `seed` None
    means another one each start, so that engines and restarts do not repeat each other's sentences. `family` names
    the chat template of families.yaml that its model has.
    `shutdown_timeout` is vLLM's: so many seconds after SIGTERM for lists in flight, while new ones get 500.

    `api` is whose API it speaks; `refuse` and `completions` are of the hosted one.
    `requests_per_minute`, `tokens_per_minute`, `concurrent` and `daily_tokens` are what it allows (0: no limit);
    a minute lasts `minute_s`, and `retry_after` is how a 429 says when to come again.
    Raises FakeEngineError for values out of range.
    """

    host: str = "127.0.0.1"
    port: int = 0
    model: str = "fake-model"
    lora: tuple[str, ...] = ()
    family: str = DEFAULT_FAMILY
    max_model_len: int = 1024
    max_num_seqs: int = 512
    latency_ms: float = 0.0
    tokens_per_second: float = 0.0
    text: str = "good"
    bad_modes: tuple[str, ...] = ()
    bad_share: float = 0.0
    sentences: Path | None = None
    seed: int | None = None
    keep_alive_s: float = 120.0
    shutdown_timeout: int = 0
    api: str = "vllm"
    completions: bool = False
    refuse: tuple[str, ...] = ()
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    concurrent: int = 0
    daily_tokens: int = 0
    minute_s: float = 60.0
    retry_after: str = "seconds"
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
                ("api", f"one of {', '.join(APIS)}", self.api in APIS),
                ("refuse", f"of {', '.join(REFUSALS)}", set(self.refuse) <= set(REFUSALS)),
                ("requests_per_minute", "0 (no limit) or more", self.requests_per_minute >= 0),
                ("tokens_per_minute", "0 (no limit) or more", self.tokens_per_minute >= 0),
                ("concurrent", "0 (no limit) or more", self.concurrent >= 0),
                ("daily_tokens", "0 (no limit) or more", self.daily_tokens >= 0),
                ("minute_s", "more than 0", self.minute_s > 0),
                ("retry_after", f"one of {', '.join(RETRY_STYLES)}", self.retry_after in RETRY_STYLES),
            )
            if not kept
        ]
        mistakes += [
            f"text mode {mode!r} is unknown; the modes are {', '.join(TEXT_MODES)}"
            for mode in (self.text, *self.bad_modes)
            if mode not in TEXT_MODES
        ]
        if self.family not in families():
            mistakes.append(f"family {self.family!r} is unknown; the families are {', '.join(families())}")
        if self.api != "chat" and (self.refuse or self.completions):
            mistakes.append(f"refuse and completions are of api chat, not {self.api}")
        if "sentences" in {self.text, *self.bad_modes} and self.sentences is None:
            mistakes.append("text mode 'sentences' needs a file of them; name it in sentences")
        if self.bad_share and not self.bad_modes:
            mistakes.append(f"bad_share is {self.bad_share}, but no bad mode is named")
        if mistakes:
            raise FakeEngineError("fake engine settings: " + "; ".join(mistakes))

    def read_sentences(self) -> tuple[str, ...]:
        """The lines of the file `sentences`, blank ones left out; none without such a file.

        Raises:
            FakeEngineError: it cannot be read as UTF-8, or holds none.
        """
        if self.sentences is None:
            return ()
        try:
            lines = tuple(filter(str.strip, self.sentences.read_text("utf-8").splitlines()))
        except (OSError, UnicodeDecodeError) as error:
            raise FakeEngineError(f"the file of sentences cannot be read: {error}; name a UTF-8 text file") from error
        if not lines:
            raise FakeEngineError(f"{self.sentences} holds no sentence; write one a line")
        return lines
