"""The mill against a bare client on the same vLLM engines of one GPU, in one run.

Runs on a GPU machine from source (PYTHONPATH=include:.), on engines that `phrasemill serve` started. With
`--load-format dummy` they serve random weights of a real shape, so speed is real and text is noise: both clients ask
for exactly 25 tokens, and the mill's rules are replaced by one that accepts everything that is not a repetition. All
else of the mill is on: prompts, windows, hashes, blocks, Parquet, here onto local disk. With --real the rules stay on
and the model's own text is judged.

    python -m tests.benchmarks.gpu --urls http://127.0.0.1:8000,... --phrases 200000 --out results.json
"""

import argparse
import asyncio
import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pyarrow as pa

from phrasemill.blocks import StagedBlock
from phrasemill.corpus_file import load_corpus
from phrasemill.engines.outage import Patience
from phrasemill.engines.pool import EnginePool
from phrasemill.facts import Facts
from phrasemill.mill import Mill
from phrasemill.planning import Block, shard_of
from phrasemill.prompts import PromptBook
from phrasemill.rows import encode_rows
from phrasemill.rules import Verdict, text_hash
from phrasemill.spec import CorpusSpec


class FolderStaging:
    """Blocks as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def load(self) -> Mapping[int, StagedBlock]:
        return {}

    def save(self, block: Block, rows: pa.Table, facts: Facts) -> None:
        content = encode_rows(rows, {"facts": facts.model_dump(mode="json")})
        (self.folder / f"{block.first_id:010d}.parquet").write_bytes(content)


class Gpu:
    """Mean GPU utilisation in percent while open, from nvidia-smi once a second."""

    def __enter__(self) -> "Gpu":
        self.readings: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def mean(self) -> float:
        return round(sum(self.readings) / max(len(self.readings), 1), 1)

    def _watch(self) -> None:
        query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self._stop.wait(1.0):
            self.readings.append(float(subprocess.check_output(query, text=True).split()[0]))


async def bare(spec: CorpusSpec, urls: list[str], phrases: int, *, n: int, ignore_eos: bool) -> int:
    """The bare client: lists, no checks, no storage; the same prompts, lists and prompts in flight."""
    async with EnginePool(urls, spec) as pool:
        template = (await pool.backend()).template
    book, size = PromptBook(spec), spec.engines.list_size // n
    import numpy as np

    ids = np.arange(0, phrases, n, dtype=np.int64)
    prompts = [template.render(text) for text in book.texts(ids, np.zeros_like(ids))]
    lists = iter([prompts[start : start + size] for start in range(0, len(prompts), size)])
    common = {"model": spec.model.served, "max_tokens": spec.sampling.max_tokens, "n": n}
    common |= {"temperature": spec.sampling.temperature, "ignore_eos": ignore_eos}
    got = 0
    timeout = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:

        async def worker(url: str) -> None:
            nonlocal got
            for prompt in lists:
                async with session.post(f"{url}/v1/completions", json=common | {"prompt": prompt}) as response:
                    got += len((await response.json())["choices"])

        lanes = spec.engines.in_flight // spec.engines.list_size
        await asyncio.gather(*(worker(url) for url in urls for _ in range(lanes)))
    return got


async def mill(
    spec: CorpusSpec,
    urls: list[str],
    phrases: int,
    *,
    ignore_eos: bool,
    folder: Path,
    lanes: int,
    watch_s: float,
    counts: list[int],
) -> tuple[int, Facts]:
    """The mill, shard after shard, two at a time so that the tail of one is covered by the next.

    Phrases accepted so far go to `counts` once a second.
    """
    facts: list[Facts] = []
    mills: list[Mill] = []
    async with EnginePool(urls, spec, patience=Patience(watch_s=watch_s)) as pool:
        if ignore_eos:
            pool._body["ignore_eos"] = True
        numbers = iter(range(-(-phrases // spec.shard_phrases)))

        async def lane() -> None:
            for number in numbers:
                grinder = Mill(spec, shard_of(spec, number), pool=pool, staging=FolderStaging(folder))
                mills.append(grinder)
                if ignore_eos:
                    grinder._judge = lambda answer: Verdict(answer, None, text_hash(answer))
                facts.append(await grinder.grind())

        async def count() -> None:
            while True:
                counts.append(sum(grinder._facts.accepted for grinder in mills))
                await asyncio.sleep(1)

        counting = asyncio.create_task(count())
        await asyncio.gather(*(lane() for _ in range(lanes)))
        counting.cancel()
    whole = Facts.total(facts)
    return whole.accepted, whole


def measure(spec: CorpusSpec, given: argparse.Namespace, client: str) -> dict[str, Any]:
    urls, phrases, ignore_eos = given.urls.split(","), given.phrases, not given.real
    with Gpu() as gpu:
        cpu, wall = time.process_time(), time.monotonic()
        facts, counts = Facts(), [0]
        if client == "bare":
            got = asyncio.run(bare(spec, urls, phrases, n=spec.sampling.n, ignore_eos=ignore_eos))
        else:
            work = mill(
                spec,
                urls,
                phrases,
                ignore_eos=ignore_eos,
                folder=given.folder,
                lanes=given.lanes,
                watch_s=given.watch_s,
                counts=counts,
            )
            got, facts = asyncio.run(work)
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    result = {
        "client": client,
        "engines": len(urls),
        "n": spec.sampling.n,
        "list_size": spec.engines.list_size,
        "in_flight": spec.engines.in_flight,
        "phrases": got,
        "seconds": round(wall, 1),
        "phrases_per_s": round(got / wall, 1),
        "tokens_per_s": round(facts.completion_tokens / wall) if facts.completion_tokens else None,
        "rejects": facts.rejects,
        "reject_share": round(facts.reject_share, 3),
        "client_cpu_s": round(cpu, 1),
        "gpu_percent": gpu.mean,
        "hours_for_10m": round(10_000_000 / (got / wall) / 3600, 2),
        "each_second": [after - before for before, after in itertools.pairwise(counts)] if given.each_second else None,
    }
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
    return result


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--urls", required=True)
    options.add_argument("--phrases", type=int, default=200_000)
    options.add_argument("--shard", type=int, default=25_600)
    options.add_argument("--list", type=int, default=64)
    options.add_argument("--in-flight", type=int, default=1024)
    options.add_argument("--lanes", type=int, default=2)
    options.add_argument("--watch-s", type=float, default=5.0)
    options.add_argument("--n", type=int, default=1)
    options.add_argument("--real", action="store_true")
    options.add_argument("--each-second", action="store_true", help="keep the phrases accepted in each second")
    options.add_argument("--corpus", type=Path, default=Path(__file__).with_name("gpu_bench.yaml"))
    options.add_argument("--model", default="m")
    options.add_argument("--clients", default="bare,mill")
    options.add_argument("--folder", type=Path, default=Path("/tmp/blocks"))
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    spec = load_corpus(given.corpus)
    spec = spec.model_copy(
        update={
            "model": spec.model.model_copy(update={"name": given.model}),
            "sampling": spec.sampling.model_copy(update={"n": given.n}),
            "shard_phrases": given.shard,
            "block_phrases": 1024,
            "engines": spec.engines.model_copy(update={"list_size": given.list, "in_flight": given.in_flight}),
        }
    )
    results = [measure(spec, given, client) for client in given.clients.split(",")]
    with given.out.open("a") as out:
        out.writelines(json.dumps(result) + "\n" for result in results)


if __name__ == "__main__":
    main()
