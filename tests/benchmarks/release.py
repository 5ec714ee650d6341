"""What a release of 10,000,000 phrases costs: seconds, CPU, memory, and what it finds of duplicates that were planted.

Shards of `release_phrases` are committed to a real S3 server, then a process of its own makes the whole release: from
the manifests to the published version. What it dropped is held against what was planted, and every phrase dropped as a
near-duplicate is compared with its keeper by code of its own. Writes results/release.json.

    python -m tests.benchmarks.release                    1, 3 and 10 million phrases
    python -m tests.benchmarks.release 1000000            one size
"""

import datetime as dt
import io
import json
import multiprocessing
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.gate import check_shard
from phrasemill.planning import shard_of
from phrasemill.release.keys import ReleaseKeys
from phrasemill.release.run import run_release
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore
from tests.benchmarks.release_phrases import Planted, bilingual_spec, likeness, shard_rows
from tests.benchmarks.report import facts_of, peak_mb
from tests.servers import S3Server

SHARD_PHRASES = 25_000
SIZES = (1_000_000, 3_000_000, 10_000_000)
VERSION = "bench"
MAX_SECONDS, MAX_MB, MIN_NEAR_RECALL, MAX_FALSE_SHARE = 180, 4096, 0.95, 0.001
RESULTS = Path(__file__).parent / "results" / "release.json"


def bench_spec(phrases: int) -> CorpusSpec:
    """Six in a hundred are planted duplicates, so the target is nine tenths of what is committed."""
    shards = phrases // SHARD_PHRASES
    wanted = shards * 9 // 10
    return bilingual_spec(
        phrases=wanted * SHARD_PHRASES,
        shard_phrases=SHARD_PHRASES,
        oversample=shards / wanted - 1,
        release={"gate": {"min_language_share": 0.3}, "licence": "cc0-1.0", "model_licence": "apache-2.0"},
    )


def store_at(endpoint: str, bucket: str, phrases: int) -> CorpusStore:
    """The corpus in a bucket of a running S3 server."""
    return CorpusStore(Bucket(S3Server.client(endpoint), bucket), bench_spec(phrases))


def commit(job: tuple[str, str, int, int, dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Commit one shard; what was planted in it."""
    endpoint, bucket, phrases, number, verdict = job
    store = store_at(endpoint, bucket, phrases)
    rows, planted = shard_rows(store.spec, number)
    commit_shard(store, shard_of(store.spec, number), rows, facts=facts_of(number), verdict=verdict, run_id="bench")
    return planted.exact, planted.near


def fill(endpoint: str, bucket: str, phrases: int) -> Planted:
    """Commit all shards, on all cores; the verdict of the first stands for all."""
    spec = bench_spec(phrases)
    shard = shard_of(spec, 0)
    judged = check_shard(shard_rows(spec, 0)[0], spec=spec, shard=shard, facts=facts_of(0)).model_dump(mode="json")
    jobs = [(endpoint, bucket, phrases, number, judged) for number in range(spec.shard_count)]
    with multiprocessing.get_context("spawn").Pool(psutil.cpu_count()) as pool:
        exact, near = zip(*pool.imap(commit, jobs, chunksize=4), strict=True)
    return Planted(np.concatenate(exact), np.concatenate(near))


def make(endpoint: str, bucket: str, phrases: int) -> dict[str, Any]:
    """Make the release in this process; what it took, by step."""
    store = store_at(endpoint, bucket, phrases)
    began, steps = time.monotonic(), dict[str, float]()
    marks = [began]

    def on_step(name: str, done: int, of: int) -> None:
        now = time.monotonic()
        steps[name] = round(steps.get(name, 0.0) + now - marks[-1], 2)
        marks.append(now)

    manifest = run_release(store, VERSION, on_step=on_step)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "rss_mb": round(peak_mb()),
        "released": manifest.phrases,
        "dropped_exact": manifest.dropped_exact,
        "dropped_near": manifest.dropped_near,
        "release_mb": round(sum(file.bytes for file in manifest.files) / 1e6),
        "steps": steps,
    }


def found(store: CorpusStore, planted: Planted) -> dict[str, float]:
    """Recall of what was planted, and the share of near-duplicates dropped whose keeper is not that like them."""
    keys = ReleaseKeys.of(store.keys.root, VERSION)
    content = store.bucket.get(keys.file("dropped.parquet"))
    if content is None:
        raise SystemExit("the release has no dropped.parquet")
    dropped = pq.read_table(io.BytesIO(content))
    ids = dropped.column("phrase_id").to_numpy()
    near = dropped.filter(pa.compute.equal(dropped.column("why").cast(pa.string()), "near"))
    pairs = np.stack([near.column("phrase_id").to_numpy(), near.column("kept_id").to_numpy()], axis=1)
    texts = _texts(store, np.unique(pairs))
    wrong = sum(likeness(texts[one], texts[other]) < 0.7 for one, other in pairs.tolist())
    return {
        "planted_exact": len(planted.exact),
        "planted_near": len(planted.near),
        "exact_recall": round(float(np.isin(planted.exact[:, 0], ids).mean()), 6),
        "near_recall": round(float(np.isin(planted.near[:, 0], ids).mean()), 5),
        "false_share": round(wrong / max(1, len(pairs)), 6),
    }


def _texts(store: CorpusStore, ids: np.ndarray) -> dict[int, str]:
    texts: dict[int, str] = {}
    for manifest in store.manifests(store.committed()):
        wanted = ids[(ids >= manifest.first_id) & (ids < manifest.first_id + manifest.rows)]
        content = store.bucket.get(manifest.data_key)
        if len(wanted) and content:
            column = pq.read_table(io.BytesIO(content), columns=["text"]).column("text")
            chosen = column.take(pa.array(wanted - manifest.first_id)).to_pylist()
            texts |= dict(zip(wanted.tolist(), chosen, strict=True))
    return texts


def measure(phrases: int) -> dict[str, Any]:
    """One size: committed, released, held against what was planted."""
    with S3Server() as s3:
        bucket = S3Server.new_bucket(s3.endpoint)
        planted = fill(s3.endpoint, bucket, phrases)
        server = next(process for process in psutil.process_iter() if str(s3.port) in _gateway(process))
        before = sum(server.cpu_times()[:2])
        child = [sys.executable, "-m", "tests.benchmarks.release", s3.endpoint, bucket, str(phrases)]
        figures: dict[str, Any] = json.loads(subprocess.run(child, check=True, stdout=subprocess.PIPE).stdout)
        figures["server_cpu_seconds"] = round(sum(server.cpu_times()[:2]) - before, 1)
        return {"phrases": phrases, **figures, **found(store_at(s3.endpoint, bucket, phrases), planted)}


def _gateway(process: psutil.Process) -> str:
    """The port of an S3 server that this is the process of; empty for any other."""
    try:
        return process.environ().get("GATEWAY_PORT", "")
    except psutil.Error:
        return ""


def main(sizes: tuple[int, ...]) -> None:
    """Measure, print and write the results; fails where the largest size is slower, larger or worse than we promise."""
    results = {
        "sizes": [measure(size) for size in sizes],
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}",
    }
    text = json.dumps(results, indent=1) + "\n"
    sys.stdout.write(text)
    if sizes == SIZES:
        RESULTS.write_text(text)
    last: dict[str, Any] = results["sizes"][-1]  # type: ignore[assignment]
    broken = [
        name
        for name, is_kept in {
            f"at most {MAX_SECONDS} s": last["seconds"] <= MAX_SECONDS,
            f"at most {MAX_MB} MB": last["rss_mb"] <= MAX_MB,
            "all exact duplicates": last["exact_recall"] == 1,
            f"near-duplicates {MIN_NEAR_RECALL:.0%}": last["near_recall"] >= MIN_NEAR_RECALL,
            f"false drops under {MAX_FALSE_SHARE:.1%}": last["false_share"] < MAX_FALSE_SHARE,
        }.items()
        if not is_kept
    ]
    if broken:
        sys.exit(f"not kept: {', '.join(broken)}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case [endpoint, bucket, phrases]:
            sys.stdout.write(json.dumps(make(endpoint, bucket, int(phrases))))
        case numbers:
            main(tuple(map(int, numbers)) or SIZES)
