"""The loop that most people write: the OpenAI SDK, gather, a semaphore, one line of JSON a phrase as it comes.

It has no resume: a second run asks for everything again and appends. Option `aiohttp`: the SDK's other transport.
"""

# The tool is in an environment of its own, not in the one that checks this file.
# mypy: disable-error-code="import-not-found"

import asyncio
import contextlib
import json

from openai import AsyncOpenAI, DefaultAioHttpClient

from tests.benchmarks.peers.drivers.task import Ask, Left, Task, run


def ask(task: Task) -> None:
    asyncio.run(_ask(task))


async def _ask(task: Task) -> None:
    transport = {"http_client": DefaultAioHttpClient()} if task.options.get("aiohttp") else {}
    gate = asyncio.Semaphore(task.in_flight)
    async with AsyncOpenAI(base_url=f"{task.url}/v1", api_key="none", **transport) as client:
        with (task.out / "phrases.jsonl").open("a", encoding="utf-8") as output:

            async def one(item: Ask) -> None:
                async with gate:
                    answer = await client.chat.completions.create(
                        model=task.model,
                        messages=item.messages,
                        max_tokens=task.max_tokens,
                        temperature=task.temperature,
                    )
                text = answer.choices[0].message.content
                output.write(json.dumps({"id": item.id, "text": text}, ensure_ascii=False) + "\n")

            await asyncio.gather(*map(one, task.asks()))


def left(task: Task) -> Left:
    ids = []
    file = task.out / "phrases.jsonl"
    for line in file.read_text("utf-8").splitlines() if file.exists() else []:
        with contextlib.suppress(json.JSONDecodeError):  # the line that the kill cut
            row = json.loads(line)
            if row["text"]:
                ids.append(row["id"])
    return Left(output=ids)


if __name__ == "__main__":
    run(ask, left)
