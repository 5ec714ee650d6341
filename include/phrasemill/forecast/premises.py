"""Premises: every figure that a question's answer stands on, from the question, the evidence or the book."""

import math
from dataclasses import dataclass

from phrasemill.forecast.answer import Kind
from phrasemill.forecast.book import Book, BookError
from phrasemill.forecast.combining import product
from phrasemill.forecast.pace import pace, pace_ratio
from phrasemill.forecast.question import Evidence, Measured, Question
from phrasemill.ranges import Range
from phrasemill.serving.profiles import Profile, shipped_profiles


@dataclass(frozen=True, slots=True)
class Premise:
    """One figure: what it is in words, its range and unit, and where it comes from."""

    name: str
    words: str
    value: Range
    unit: str
    source: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Ground:
    """What an answer stands on: the premises by name, and what follows from question and evidence alone.

    `rate` is a premise in outputs a second of one GPU at the reference shape, or, where it was measured on the corpus
    (`rate_measured`), in accepted phrases a second of all engines.
    """

    premises: dict[str, Premise]
    engines_per_gpu: int | None
    rate_measured: bool
    measured_accept_share: float | None = None
    """The likely share that the measured rate had; None if it is the premise's own."""
    measured_completion_tokens: float | None = None

    @property
    def likely(self) -> dict[str, float]:
        """All premises at their likely value."""
        return {name: premise.value.likely for name, premise in self.premises.items()}


def ground(question: Question, evidence: Evidence, book: Book) -> Ground:
    """All premises of a question.

    Raises:
        BookError: the book does not know the model, or has no rate of it on this class of GPU.
    """
    gathering = _Gathering(question, evidence, book)
    gathering.text()
    gathering.shape()
    engines, rate_measured = gathering.rate()
    gathering.overhead()
    if question.gpu != "hosted":
        gathering.take("watts", question.gpu, given=question.watts_per_gpu)
    return Ground(
        premises=gathering.premises,
        engines_per_gpu=engines,
        rate_measured=rate_measured,
        measured_accept_share=_replaced(question.accept_share, evidence.accept_share),
        measured_completion_tokens=_replaced(question.completion_tokens, evidence.completion_tokens_per_output),
    )


def profile_of(question: Question, book: Book) -> Profile | None:
    """The shipped profile for the question's class of GPU and size of model; None behind a hosted API.

    Raises:
        BookError: the book does not know the model, or no profile is for it on this class of GPU.
    """
    if question.gpu == "hosted":
        return None
    size = book.model(question.model).size
    if question.gpu != "cpu" and size == "0.1b":
        size = "0.5b"
    for profile in shipped_profiles().values():
        if (profile.gpu, profile.model_size) == (question.gpu, size):
            return profile
    raise BookError(f"no shipped profile is for {question.model} on {question.gpu}; give engines_per_gpu")


def _replaced(given: Range | None, measured: Measured | None) -> float | None:
    return measured.value.likely if given is not None and measured is not None else None


class _Gathering:
    """Takes one premise after another; the question's figure goes before the measured one, that before the book's."""

    def __init__(self, question: Question, evidence: Evidence, book: Book) -> None:
        self.question, self.evidence, self.book = question, evidence, book
        self.model = book.model_name(question.model)
        self.tokenizer = book.model(self.model).tokenizer
        self.premises: dict[str, Premise] = {}

    def take(self, name: str, *keys: str, given: Range | None = None, measured: Measured | None = None) -> None:
        """One premise that the book has a constant for."""
        constant = self.book.constant(name, *keys)
        if given is not None:
            self._put(Premise(name, constant.words, given, constant.unit, "the question", "given"))
        elif measured is not None:
            self._put(Premise(name, constant.words, measured.value, constant.unit, measured.source, "measured"))
        else:
            self._put(Premise(name, constant.words, constant.value, constant.unit, constant.source, constant.kind))

    def text(self) -> None:
        """From the target to phrases, characters and bytes."""
        question, evidence = self.question, self.evidence
        self.take("phrase_chars", given=question.phrase_chars, measured=evidence.chars_per_phrase)
        language = question.language
        self.take("bytes_per_char", language, given=question.bytes_per_char, measured=evidence.bytes_per_char)

    def shape(self) -> None:
        """What one output is: its tokens, and whether it is accepted."""
        question, evidence, text = self.question, self.evidence, (self.tokenizer, self.question.language)
        written = evidence.completion_tokens_per_output
        if question.completion_tokens is not None:
            words, given = "tokens written for an output", question.completion_tokens
            self._put(Premise("completion_tokens", words, given, "tokens", "the question", "given"))
        elif written is not None:
            words = "tokens written for an output"
            self._put(Premise("completion_tokens", words, written.value, "tokens", written.source, "measured"))
        else:
            self.take("chars_per_token", *text)
            self.take("tokens_beyond_phrase", self.model)
        asked = evidence.prompt_tokens_per_output
        # What was measured is a prompt's tokens over n.
        if asked is not None:
            asked = Measured(value=asked.value.times(question.n), source=asked.source)
        self.take("prompt_tokens", *text, given=question.prompt_tokens, measured=asked)
        self.take("accept_share", self.model, given=question.accept_share, measured=evidence.accept_share)

    def rate(self) -> tuple[int | None, bool]:
        """Outputs a second: of streams, as measured on the corpus, or from the book.

        Returns:
            Engines a GPU, None for streams; whether the rate was measured on the corpus.
        """
        question, evidence = self.question, self.evidence
        if question.streams is not None:
            self.take("stream_tokens_per_s", given=question.tokens_per_s_per_stream)
            return None, False
        profile = None if question.engines_per_gpu is not None else profile_of(question, self.book)
        engines = question.engines_per_gpu or (profile.engines_per_gpu if profile else 1)
        if evidence.phrases_per_s is not None:
            self._measured_rate(evidence.phrases_per_s, engines)
            return engines, True
        found = pace(self.book, self.model, question.gpu, engines=engines)
        kind: Kind = "measured" if found.measured else "derived"
        shape = self.book.reference
        on = "machine" if question.gpu == "cpu" else "GPU"
        tokens = f"{shape.prompt_tokens:g} prompt and {shape.completion_tokens:g} written tokens"
        words = f"outputs a second of one {on} with {_engines(engines)}, at {tokens}"
        self._put(Premise("rate", words, found.value, "outputs/s", found.source, kind))
        self.take("prefix_cache_share", given=question.prefix_cache_share)
        self.take("prompt_token_cost")
        self.take("shape_scaling")
        if question.gpus > 1:
            self.take("gpu_scaling")
        if question.lora:
            self.take("lora_factor")
        if question.quantisation == "fp8":
            self.take("fp8_factor")
        if question.in_flight is not None:
            self.take("stream_tokens_per_s", question.gpu, given=question.tokens_per_s_per_stream)
        return engines, False

    def overhead(self) -> None:
        """What passes beside generating."""
        question, evidence = self.question, self.evidence
        self.take("failures", given=question.failures)
        self.take("night_start_s", question.gpu, given=question.start_s)
        if question.overhead_share is not None or evidence.overhead_share is not None:
            words, unit = "time beside generating, against generating", "share"
            if question.overhead_share is not None:
                self._put(Premise("overhead_share", words, question.overhead_share, unit, "the question", "given"))
            elif (measured := evidence.overhead_share) is not None:
                self._put(Premise("overhead_share", words, measured.value, unit, measured.source, "measured"))
            return
        for name in ("task_instance_s", "tasks_in_the_way", "task_instances_per_s"):
            self.take(name)
        if question.shards is None:
            self.take("phrases_a_shard")

    def _measured_rate(self, measured: Measured, engines: int) -> None:
        question, evidence = self.question, self.evidence
        asked = engines * question.gpus
        value, source = measured.value, measured.source
        counted = evidence.engines
        if counted is not None and counted != asked:
            # Nobody wrote down how many GPUs they had; as the profile has it, unless more are asked for on each.
            parts = {"measured": counted, "measured_per_gpu": max(engines, self._usual_engines())}
            ratio = pace_ratio(self.book, self.model, question.gpu, asked=asked, asked_per_gpu=engines, **parts)
            value = product(value, ratio)
            source = f"{source}; times {ratio.likely:.2f} by the book, for {asked} engines instead of {counted}"
        words = f"accepted phrases a second of {_engines(asked)}"
        kind: Kind = "measured" if math.isclose(value.likely, measured.value.likely) else "derived"
        self._put(Premise("rate", words, value, "phrases/s", source, kind))

    def _usual_engines(self) -> int:
        try:
            profile = profile_of(self.question, self.book)
        except BookError:
            return 1
        return profile.engines_per_gpu if profile else 1

    def _put(self, premise: Premise) -> None:
        self.premises[premise.name] = premise


def _engines(count: int) -> str:
    return "1 engine" if count == 1 else f"{count} engines"
