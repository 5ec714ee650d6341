"""What a report of 10,000,000 phrases costs: seconds and memory, from 400 manifests in a real S3 server.

The manifests are made of real ones: a shard of 25,000 phrases goes through the real gate and commit, and its manifest
is put 400 times under other numbers, each with facts of a shard that was hard to write (twelve reject reasons with
twenty examples, 25 blocks). The rows that a report draws from are those of the one shard. Writes results/report.json.
"""

import datetime as dt
import json
import platform
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from phrasemill.closing import corpus_report, night_report, report_files
from phrasemill.facts import Facts
from phrasemill.gate import check_shard
from phrasemill.manifest import Manifest
from phrasemill.planning import shard_of
from phrasemill.rules import REASONS
from phrasemill.spec import CorpusSpec
from phrasemill.steps import Workplace
from phrasemill.store.bucket import Bucket
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore, in_parallel
from tests.servers import S3Server
from tests.specs import make_spec
from tests.tables import make_rows, sentences

SHARDS, SHARD_PHRASES, BLOCK_PHRASES = 400, 25_000, 1000
MAX_SECONDS, MAX_MB = 60, 1000
RESULTS = Path(__file__).parent / "results" / "report.json"
START = dt.datetime(2026, 11, 1, 22, 0, tzinfo=dt.UTC)


def bench_spec() -> CorpusSpec:
    """10,000,000 phrases in 400 shards, 20 a night."""
    return make_spec(
        target_phrases=SHARDS * SHARD_PHRASES,
        shard_phrases=SHARD_PHRASES,
        block_phrases=BLOCK_PHRASES,
        schedule={"shards_per_night": 20},
        price={"per_gpu_hour": 2.5},
    )


def facts_of(number: int) -> Facts:
    """Facts of a shard that was hard to write: nights a day apart, a shard every 3 minutes."""
    night, place = divmod(number, 20)
    begin = START + dt.timedelta(days=night, minutes=3 * place)
    took = 6.0 + number % 5
    blocks = SHARD_PHRASES // BLOCK_PHRASES
    return Facts(
        accepted=SHARD_PHRASES,
        rejects=dict.fromkeys(REASONS, 300 + number),
        examples={reason: [f"{reason} {number} {n} " + "word " * 30 for n in range(20)] for reason in REASONS},
        prompt_tokens=2_500_000,
        completion_tokens=800_000 + number,
        seconds=took * blocks,
        started_at=begin,
        finished_at=begin + dt.timedelta(seconds=took * blocks),
        engines=4,
        run_ids=[f"night-{night}"],
        pace=[(begin.timestamp() + took * (k + 1), took, BLOCK_PHRASES) for k in range(blocks)],
    )


def fill(store: CorpusStore) -> int:
    """Commit one real shard, and put its manifest under every number; returns the bytes of all manifests."""
    shard = shard_of(store.spec, 0)
    rows = make_rows(store.spec, shard, texts=sentences(SHARD_PHRASES))
    verdict = check_shard(rows, spec=store.spec, shard=shard, facts=facts_of(0)).model_dump(mode="json")
    real = commit_shard(store, shard, rows, facts=facts_of(0), verdict=verdict, run_id="night-0")

    return sum(in_parallel(lambda number: put_copy(store, real, number), range(SHARDS)))


def put_copy(store: CorpusStore, real: Manifest, number: int) -> int:
    """Put a manifest again as that of another shard; returns its bytes."""
    facts = facts_of(number)
    changes: dict[str, Any] = {
        "shard": number,
        "first_id": number * real.rows,
        "facts": facts,
        "committed_at": facts.finished_at,
        "run_id": facts.run_ids[0],
    }
    body = Manifest.model_validate(real.model_dump() | changes).model_dump_json(indent=1).encode()
    store.bucket.put(store.keys.manifest(number), body, content_type="application/json")
    return len(body)


def store_at(endpoint: str, bucket: str) -> CorpusStore:
    """The corpus in a bucket of a running S3 server."""
    return CorpusStore(Bucket(S3Server.client(endpoint), bucket), bench_spec())


def report(kind: str, endpoint: str, bucket: str) -> dict[str, float]:
    """Make one report in this process; seconds, peak memory of the process, sizes of its files."""
    place = Workplace(bench_spec(), store_at(endpoint, bucket), run_id="bench")
    began, cpu = time.monotonic(), time.process_time()
    if kind == "corpus":
        files = report_files(corpus_report(place))
    else:
        files = report_files(night_report(place, label="all shards", night=None, shards=range(SHARDS)))
    return {
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "rss_mb": round(peak_mb()),
        **{f"{Path(name).suffix[1:]}_kb": round(len(content) / 1000) for name, content in files.items()},
    }


def peak_mb() -> float:
    """Peak resident memory of this process; getrusage would count what its parent had at the fork."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1000  # type: ignore[index]


def main() -> None:
    """Measure, print and write the results; fails over 60 s or 1 GB."""
    with S3Server() as s3:
        bucket = S3Server.new_bucket(s3.endpoint)
        size = fill(store_at(s3.endpoint, bucket))
        results: dict[str, Any] = {
            "shards": SHARDS,
            "phrases": SHARDS * SHARD_PHRASES,
            "manifests_mb": round(size / 1e6, 1),
        }
        for kind in ("night", "corpus"):  # each in a process of its own, so that its peak memory is its own
            child = [sys.executable, "-m", "tests.benchmarks.report", kind, s3.endpoint, bucket]
            results[kind] = json.loads(subprocess.run(child, check=True, capture_output=True).stdout)
    results["date"] = dt.datetime.now(dt.UTC).date().isoformat()
    results["machine"] = f"{platform.machine()}, Python {platform.python_version()}"
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    sys.stdout.write(json.dumps(results, indent=1) + "\n")
    slow = [kind for kind in ("night", "corpus") if results[kind]["seconds"] > MAX_SECONDS]
    large = [kind for kind in ("night", "corpus") if results[kind]["rss_mb"] > MAX_MB]
    if slow or large:
        sys.exit(f"over {MAX_SECONDS} s: {slow}; over {MAX_MB} MB: {large}")


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.stdout.write(json.dumps(report(*sys.argv[1:])))
    else:
        main()
