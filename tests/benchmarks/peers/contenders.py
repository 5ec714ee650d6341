"""The tools side by side, and what each is asked to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PEERS_IN_FLIGHT, OURS_IN_FLIGHT = 256, 1024
SHARD = 25_000


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One row of the table.

    `few` and `many` phrases are asked for in two runs, whose difference is the steady cost of a phrase. In a third
    run the tool is killed when the engine has answered half of `crash` phrases, and run again (0: not tried, because
    another row of the same tool shows it). `environment` None is the benchmark's own.
    """

    name: str
    asked: str
    driver: str
    environment: str | None
    packages: tuple[str, ...] = ()
    in_flight: int = PEERS_IN_FLIGHT
    few: int
    many: int
    crash: int = 0
    limit_s: float = 90
    options: Mapping[str, Any] = field(default_factory=dict)


CONTENDERS = (
    Contender(
        name="phrasemill, rules on",
        asked="lists of 64; every rule of the English corpus; Parquet blocks of 1,000 staged on an S3 server",
        driver="mill",
        environment=None,
        in_flight=OURS_IN_FLIGHT,
        few=SHARD,
        many=6 * SHARD,
        crash=4 * SHARD,
        options={"rules": True},
    ),
    Contender(
        name="phrasemill, rules on, 256 in flight",
        asked="the same with the peers' number in flight",
        driver="mill",
        environment=None,
        few=SHARD,
        many=6 * SHARD,
        options={"rules": True},
    ),
    Contender(
        name="phrasemill, rules off",
        asked="the same, with every answer accepted as the peers do (the driver replaces RuleBook.judge); "
        "texts are still hashed and unique in a shard",
        driver="mill",
        environment=None,
        in_flight=OURS_IN_FLIGHT,
        few=SHARD,
        many=6 * SHARD,
        options={"rules": False},
    ),
    Contender(
        name="phrasemill, rules off, 256 in flight",
        asked="the same with the peers' number in flight",
        driver="mill",
        environment=None,
        few=SHARD,
        many=6 * SHARD,
        options={"rules": False},
    ),
    Contender(
        name="OpenAI SDK loop",
        asked="one chat request a phrase, asyncio.gather behind a semaphore, one line of JSON appended a phrase; "
        "it has no resume",
        driver="openai_loop",
        environment="openai",
        packages=("openai",),
        few=200,
        many=3200,
        crash=3000,
    ),
    Contender(
        name="OpenAI SDK loop, aiohttp transport",
        asked="the same with the SDK's other transport",
        driver="openai_loop",
        environment="openai",
        packages=("openai", "aiohttp"),
        few=200,
        many=4200,
        options={"aiohttp": True},
    ),
    Contender(
        name="datatrove",
        asked="InferenceRunner, server_type endpoint on 127.0.0.1, gzipped JSON lines, checkpoints of 500 documents",
        driver="datatrove_runner",
        environment="datatrove",
        packages=("datatrove",),
        few=200,
        many=3200,
        crash=3000,
        options={"checkpoints": True},
    ),
    Contender(
        name="datatrove, no checkpoints",
        asked="the same without its request cache and chunk files",
        driver="datatrove_runner",
        environment="datatrove",
        packages=("datatrove",),
        few=200,
        many=4200,
    ),
    Contender(
        name="datatrove, engine on another host",
        asked="checkpoints, and the engine named so that it is not taken for a local one: it then asks through the "
        "OpenAI SDK (its readiness probe, which asks a path that no such server has, is mended by the driver)",
        driver="datatrove_runner",
        environment="datatrove",
        packages=("datatrove", "openai"),
        few=200,
        many=1700,
        options={"checkpoints": True, "other_host": True},
    ),
    Contender(
        name="distilabel",
        asked="LoadDataFromDicts and TextGeneration over OpenAILLM, batches of 256, cache on",
        driver="distilabel_pipeline",
        environment="distilabel",
        packages=("distilabel", "openai"),
        few=256,
        many=2560,
        crash=2560,
        limit_s=60,
    ),
    Contender(
        name="bespoke curator",
        asked="an LLM with prompt and parse over a data set, OpenAI backend, max_concurrent_requests 256, rate limits "
        "out of reach, cache on",
        driver="curator_llm",
        environment="curator",
        packages=("bespokelabs-curator", "openai"),
        few=200,
        many=3200,
        crash=3000,
    ),
)
