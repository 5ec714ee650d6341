"""distilabel: a pipeline of two steps, rows in and one TextGeneration over the OpenAI SDK, with its cache on.

A step has one batch in flight and asks for a batch's rows at once, so `in_flight` is the size of a batch.
"""

# The tool is in an environment of its own, not in the one that checks this file.
# mypy: disable-error-code="import-not-found"

import json
import logging
from pathlib import Path

import pyarrow.parquet as pq
from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration

from tests.benchmarks.peers.drivers.task import Left, Task, run


def ask(task: Task) -> None:
    # It silences the log line that the SDK writes for every request, but by the name of the SDK's former HTTP client.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    rows = [{"id": item.id, "system_prompt": item.system, "instruction": item.prompt} for item in task.asks()]
    with Pipeline("phrases", cache_dir=task.out / "cache") as pipeline:
        load = LoadDataFromDicts(data=rows, batch_size=task.in_flight)
        write = TextGeneration(
            llm=OpenAILLM(
                model=task.model,
                base_url=f"{task.url}/v1",
                api_key="none",
                generation_kwargs={"max_new_tokens": task.max_tokens, "temperature": task.temperature},
            ),
            input_batch_size=task.in_flight,
        )
        load >> write
    phrases = pipeline.run(use_cache=True)["default"]["train"]
    phrases.to_parquet(task.out / "phrases.parquet")


def left(task: Task) -> Left:
    resumable = {
        number
        for file in (task.out / "cache").rglob("*")
        if file.suffix in {".parquet", ".json"} and file.is_file()
        for number in (_of_parquet(file) if file.suffix == ".parquet" else _of_batch(file))
    }
    output = task.out / "phrases.parquet"
    return Left(resumable=sorted(resumable), output=_of_parquet(output) if output.exists() else [])


def _of_parquet(file: Path) -> list[int]:
    table = pq.read_table(file)
    if not {"id", "generation"} <= set(table.column_names):
        return []
    pairs = zip(table.column("id").to_pylist(), table.column("generation").to_pylist(), strict=True)
    return [number for number, text in pairs if text]


def _of_batch(file: Path) -> list[int]:
    """Rows of one of its cached batches, which are JSON with the rows under `data`."""
    content = json.loads(file.read_text("utf-8"))
    data = content.get("data") if isinstance(content, dict) else None
    rows = [row for rows in data for row in rows if isinstance(row, dict)] if isinstance(data, list) else []
    return [row["id"] for row in rows if row.get("generation")]


if __name__ == "__main__":
    run(ask, left)
