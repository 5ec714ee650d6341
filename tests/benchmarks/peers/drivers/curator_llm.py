"""bespoke curator: an LLM over a data set with its OpenAI backend, its cache on, rate limits too high to matter."""

# The tool is in an environment of its own, not in the one that checks this file.
# mypy: disable-error-code="import-not-found,misc"

import contextlib
import json
import os
import sysconfig
from pathlib import Path
from typing import Any

from tests.benchmarks.peers.drivers.task import Left, Task, run

NO_LIMIT = 1_000_000_000


def ask(task: Task) -> None:
    # It counts tokens with a tiktoken file that it would download; litellm ships the same one.
    tokenizers = Path(sysconfig.get_path("purelib")) / "litellm/litellm_core_utils/tokenizers"
    os.environ |= {
        "TELEMETRY_ENABLED": "false",
        "CURATOR_CACHE_DIR": str(task.out / "cache"),
        "HF_HOME": str(task.out / "huggingface"),
        "OPENAI_API_KEY": "none",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "TIKTOKEN_CACHE_DIR": str(tokenizers),
    }
    from bespokelabs import curator  # reads the environment as it is imported
    from datasets import Dataset

    class Writer(curator.LLM):
        def prompt(self, input: dict[str, Any]) -> list[dict[str, str]]:
            return [
                {"role": "system", "content": input["system"]},
                {"role": "user", "content": input["prompt"]},
            ]

        def parse(self, input: dict[str, Any], response: str) -> dict[str, Any]:
            return {"id": input["id"], "text": response}

    writer = Writer(
        model_name=task.model,
        backend="openai",
        backend_params={
            "base_url": f"{task.url}/v1",
            "api_key": "none",
            "max_concurrent_requests": task.in_flight,
            "max_requests_per_minute": NO_LIMIT,
            "max_tokens_per_minute": NO_LIMIT,
        },
        generation_params={"max_tokens": task.max_tokens, "temperature": task.temperature},
    )
    phrases = writer(Dataset.from_list([item._asdict() for item in task.asks()]))
    phrases.dataset.to_json(task.out / "phrases.jsonl")


def left(task: Task) -> Left:
    resumable = set()
    for file in (task.out / "cache").rglob("responses_*.jsonl"):
        for row in _rows(file):
            if row["response_message"]:
                resumable.add(row["generic_request"]["original_row"]["id"])
    output = task.out / "phrases.jsonl"
    ids = [row["id"] for row in _rows(output) if row["text"]] if output.exists() else []
    return Left(resumable=sorted(resumable), output=ids)


def _rows(file: Path) -> list[dict[str, Any]]:
    rows = []
    for line in file.read_text("utf-8").splitlines():
        with contextlib.suppress(json.JSONDecodeError):  # the line that the kill cut
            rows.append(json.loads(line))
    return rows


if __name__ == "__main__":
    run(ask, left)
