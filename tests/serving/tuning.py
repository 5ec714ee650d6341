"""What tests of tuning share: a profile, candidates, made-up measurements, and engines that count starts."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from phrasemill.serving.profiles import FIGURES, Profile
from phrasemill.serving.tune_plan import Candidate
from phrasemill.serving.tune_record import Identity, Measurement

AT = dt.datetime(2026, 11, 23, 7, 0, tzinfo=dt.UTC)


def make_profile(**changes: Any) -> Profile:
    """A profile of two engines a GPU, 64 sequences, lists of 8, 64 in flight."""
    fields: dict[str, Any] = {
        "name": "bench",
        "title": "A bench",
        "gpu": "80gb-hopper",
        "gpu_memory_gib": 78,
        "model_size": "1.5b",
        "engines_per_gpu": 2,
        "max_num_seqs": 64,
        "max_model_len": 1024,
        "list_size": 8,
        "in_flight": 64,
        "start_s": 300.0,
    }
    fields |= changes
    figures = [name for name in FIGURES if fields.get(name) is not None]
    return Profile.model_validate(fields | {"sources": dict.fromkeys(figures, "derived: for a test")})


def candidate(**changes: Any) -> Candidate:
    settings = {"max_num_seqs": 64, "engines_per_gpu": 2, "list_size": 8, "in_flight": 64}
    return Candidate.model_validate(settings | changes)


def measurement(of: Candidate | None = None, **changes: Any) -> Measurement:
    """1,000 engine tokens/s, 4 accepted phrases in 100 tokens: 40 phrases/s."""
    fields: dict[str, Any] = {
        "candidate": of or candidate(),
        "window_s": 10.0,
        "at": AT,
        "engines": 2,
        "resident_per_gpu": 2,
        "seconds": 10.0,
        "accepted": 400,
        "judged": 500,
        "completion_tokens": 10_000,
        "rejects": {"too_long": 100},
        "counted_phrases_per_s": 36.0,
        "client_tokens_per_s": 900.0,
        "engine_tokens_per_s": 1000.0,
        "client_cpu": 0.2,
    }
    return Measurement.model_validate(fields | changes)


def make_identity(**changes: Any) -> Identity:
    fields = {
        "machine": "1 x H100, 16 cores x86_64, 128 GiB",
        "model": "tiny",
        "vllm": "0.20.2",
        "corpus": "tiny",
        "fingerprint": "f" * 16,
        "profile": {"max_model_len": 1024, "enforce_eager": False},
    }
    return Identity.model_validate(fields | changes)


class Served:
    """Stands for the supervisor: gives the URLs of engines that run already; `refuse` maps counts to errors."""

    def __init__(self, urls: Sequence[str], *, refuse: dict[int, Exception] | None = None) -> None:
        self._urls = list(urls)
        self._refuse = refuse or {}
        self.starts: list[tuple[Profile, int]] = []
        self.running = 0

    @asynccontextmanager
    async def __call__(self, profile: Profile, engines_per_gpu: int) -> AsyncIterator[list[str]]:
        self.starts.append((profile, engines_per_gpu))
        if error := self._refuse.get(engines_per_gpu):
            raise error
        self.running += 1
        try:
            yield self._urls[:engines_per_gpu]
        finally:
            self.running -= 1
