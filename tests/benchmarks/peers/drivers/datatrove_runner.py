"""datatrove's InferenceRunner with an endpoint: documents in, gzipped JSON lines out, one task.

Options: `checkpoints` (its request cache and chunk files), and `other_host`. For an engine on 127.0.0.1 it opens a
socket a request, for any other host it asks through the OpenAI SDK; `other_host` names the same engine so that it
takes the second way. There it posts to URL/chat/completions but asks URL/v1/models whether the engine is ready, and no
URL of an OpenAI-compatible server is right for both: the driver points that one question to the right path.
"""

# The tool is in an environment of its own, not in the one that checks this file.
# mypy: disable-error-code="import-not-found"

import json
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
from datatrove.pipeline.inference.servers.endpoint_server import EndpointServer
from datatrove.pipeline.writers import JsonlWriter

from tests.benchmarks.peers.drivers.task import Left, Task, run

CHUNK = 500  # documents; its default of 6,000 would be more than the whole run


async def rollout(document: Document, generate: Any) -> Any:
    return await generate({"messages": document.metadata["messages"]})


def ask(task: Task) -> None:
    url = task.url
    if task.options.get("other_host"):
        url = task.url.replace("127.0.0.1", "127.1") + "/v1"
        own = EndpointServer.is_ready

        async def is_ready(server: EndpointServer) -> bool:
            asked, server.endpoint_url = server.endpoint_url, task.url
            try:
                return bool(await own(server))
            finally:
                server.endpoint_url = asked

        EndpointServer.is_ready = is_ready
    config = InferenceConfig(
        server_type="endpoint",
        model_name_or_path=task.model,
        endpoint_url=url,
        api_key="none",
        use_chat=True,
        default_generation_params={"max_tokens": task.max_tokens, "temperature": task.temperature},
        max_concurrent_generations=task.in_flight,
    )
    runner = InferenceRunner(
        rollout_fn=rollout,
        config=config,
        output_writer=JsonlWriter(
            str(task.out / "output"), output_filename="${rank}_chunk_${chunk_index}.jsonl", compression="gzip"
        ),
        checkpoints_local_dir=str(task.out / "checkpoints") if task.options.get("checkpoints") else None,
        records_per_chunk=CHUNK,
    )
    documents = [
        Document(text=item.prompt, id=str(item.id), metadata={"messages": item.messages}) for item in task.asks()
    ]
    LocalPipelineExecutor(pipeline=[documents, runner], logging_dir=str(task.out / "logs"), tasks=1).run()


def left(task: Task) -> Left:
    resumable: set[int] = set()
    for chunk in (task.out / "checkpoints").rglob("chunk_*.jsonl"):
        resumable.update(_ids(chunk.read_text("utf-8").splitlines()))
    for cache in (task.out / "checkpoints").rglob("replay.sqlite3"):
        with closing(sqlite3.connect(cache)) as database:
            resumable.update(int(row[0]) for row in database.execute("SELECT doc_id FROM request_cache"))
    output = []
    for file in sorted((task.out / "output").rglob("*.jsonl.gz")):
        output += _ids(_readable_lines(file))
    return Left(resumable=sorted(resumable), output=output)


def _ids(lines: list[str]) -> list[int]:
    ids = []
    for line in lines:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # the line that the kill cut
        if any(answer["text"] for answer in row["metadata"]["rollout_results"]):
            ids.append(int(row["id"]))
    return ids


def _readable_lines(file: Path) -> list[str]:
    """The lines of a gzip file, as far as it was written."""
    inflate = zlib.decompressobj(wbits=31)
    return inflate.decompress(file.read_bytes()).decode("utf-8", "ignore").splitlines()


if __name__ == "__main__":
    run(ask, left)
