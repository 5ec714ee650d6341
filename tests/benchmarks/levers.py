"""What list size, samples a prompt and phrases a prompt do to speed and to duplicates, on real text.

Grinds the same shard once for each setting, rules on, on engines that serve a real model, and keeps the rows:

    python -m tests.benchmarks.levers grind --urls http://127.0.0.1:8000,... --model NAME --folder ROWS
    python -m tests.benchmarks.levers table --folder ROWS

The second needs the environments of `make test` and prints the table of docs/benchmarks.md.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.engines.pool import EnginePool
from phrasemill.facts import Facts
from phrasemill.mill import Mill
from phrasemill.planning import shard_of
from phrasemill.spec import CorpusSpec
from tests.benchmarks.gpu import FolderStaging

SETTINGS = "64-1-1,16-1-1,256-1-1,64-8-1,64-32-1,64-1-4,64-1-8,64-8-4"
"""Each list_size-n-phrases_per_prompt."""


def parse(name: str) -> tuple[int, int, int]:
    list_size, n, entries = map(int, name.split("-"))
    return list_size, n, entries


def with_setting(
    spec: CorpusSpec, model: str, phrases: int, setting: tuple[int, int, int], in_flight: int = 1024
) -> CorpusSpec:
    list_size, n, entries = setting
    values = spec.model_dump()
    values |= {"target_phrases": phrases, "shard_phrases": phrases, "block_phrases": min(phrases, 1024)}
    values["model"] |= {"name": model}
    values["sampling"] |= {"n": n, "phrases_per_prompt": entries}
    values["rules"] |= {"max_attempts": 500}  # what a lever costs in rejects is to be counted, not to end the run
    values["engines"] |= {"list_size": list_size, "in_flight": in_flight}
    return CorpusSpec.model_validate(values)


async def grind(spec: CorpusSpec, urls: list[str], folder: Path) -> Facts:
    async with EnginePool(urls, spec) as pool:
        return await Mill(spec, shard_of(spec, 0), pool=pool, staging=FolderStaging(folder)).grind()


def measure(given: argparse.Namespace) -> None:
    base = load_corpus(find_corpus(given.corpus))
    for name in given.settings.split(","):
        setting = parse(name)
        spec = with_setting(base, given.model, given.phrases, setting, given.in_flight)
        folder = given.folder / name
        began = time.monotonic()
        facts = asyncio.run(grind(spec, given.urls.split(","), folder))
        seconds = time.monotonic() - began
        record: dict[str, Any] = dict(zip(("list_size", "n", "phrases_per_prompt"), setting, strict=True))
        record |= {
            "phrases": facts.accepted,
            "seconds": round(seconds, 2),
            "phrases_per_s": round(facts.accepted / seconds, 1),
            "rejects": facts.rejects,
            "judged": facts.judged,
            "prompt_tokens": facts.prompt_tokens,
            "completion_tokens": facts.completion_tokens,
            "examples": facts.examples,
        }
        (folder / "facts.json").write_text(json.dumps(record, ensure_ascii=False))
        sys.stdout.write(json.dumps({name: record[name] for name in record if name != "examples"}) + "\n")
        sys.stdout.flush()


def near_duplicate_share(texts: list[str]) -> float:
    """Phrases that are near one before them: Jaccard 0.7 of character 5-grams, by MinHash of 128 permutations."""
    from rensa import RMinHash, RMinHashDeduplicator

    deduplicator = RMinHashDeduplicator(threshold=0.7, num_perm=128, use_lsh=True, num_bands=16)
    near = 0
    for number, text in enumerate(texts):
        folded = text.casefold()
        sketch = RMinHash(num_perm=128, seed=42)
        sketch.update([folded[k : k + 5] for k in range(max(1, len(folded) - 4))])
        near += not deduplicator.add(str(number), sketch)
    return near / len(texts)


def table(given: argparse.Namespace) -> None:
    from phrasemill.gate.metrics import measure as figures_of

    base = load_corpus(find_corpus(given.corpus))
    out = [
        "| lists of | n | a prompt | phrases/s | accepted | duplicate | near duplicates | distinct-2 | top opening |"
    ]
    out.append("|---|---|---|---|---|---|---|---|---|")
    for folder in sorted(given.folder.iterdir(), key=lambda path: parse(path.name)[1:] + parse(path.name)[:1]):
        record = json.loads((folder / "facts.json").read_text())
        setting = (record["list_size"], record["n"], record["phrases_per_prompt"])
        rows = pq.read_table(sorted(folder.glob("*.parquet"))).sort_by("phrase_id")
        spec = with_setting(base, given.model, record["phrases"], setting)
        facts = Facts(accepted=record["phrases"], rejects=record["rejects"])
        metrics = figures_of(rows, spec=spec, shard=shard_of(spec, 0), facts=facts).metrics
        duplicate = record["rejects"].get("duplicate", 0) / record["judged"]
        near = near_duplicate_share(rows.column("text").to_pylist())
        out.append(
            f"| {setting[0]} | {setting[1]} | {setting[2]} | {record['phrases_per_s']:,.0f} | "
            f"{record['phrases'] / record['judged']:.1%} | {duplicate:.2%} | {near:.2%} | "
            f"{metrics['distinct_2']:.3f} | {metrics['top_opening_share']:.1%} |"
        )
    sys.stdout.write("\n".join(out) + "\n")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("step", choices=("grind", "table"))
    options.add_argument("--urls")
    options.add_argument("--model", default="m")
    options.add_argument("--corpus", default="demo")
    options.add_argument("--phrases", type=int, default=20_480)
    options.add_argument("--settings", default=SETTINGS)
    options.add_argument("--in-flight", type=int, default=1024)
    options.add_argument("--folder", type=Path, required=True)
    given = options.parse_args()
    (measure if given.step == "grind" else table)(given)


if __name__ == "__main__":
    main()
