"""Reads a corpus from its bucket with boto3 and pyarrow alone, and tells what is wrong with it.

It trusts none of the package's own code: keys, hashes, ids and texts are read and counted anew from the layout as the
documents describe it.
"""

import hashlib
import io
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow.parquet as pq

MANIFEST = re.compile(r"manifests/shard-(\d{5})\.json")
DATA = re.compile(r"shards/shard-\d{5}-[0-9a-f]{12}\.parquet")
VERDICT = re.compile(r"verdicts/shard-\d{5}-[0-9a-f]{12}\.json")
OF_SHARD = re.compile(r"(?:/shard-|staging/)(\d{5})\b")


@dataclass
class Found:
    """What lies in a bucket."""

    wrong: list[str] = field(default_factory=list)
    """Sentences: what is lost, doubled or not what its manifest says. Empty for a whole corpus."""
    orphans: list[str] = field(default_factory=list)
    """Keys under the corpus's folder that no manifest names: leavings, harmless and removed by repair."""
    phrases: int = 0
    rejected: int = 0
    """By the rules, as the manifests' facts have it."""
    shards: int = 0


def read_corpus(client: Any, bucket: str, *, root: str, shards: Sequence[int], shard_phrases: int) -> Found:
    """Check that these shards of `shard_phrases` phrases are committed under `root`; others are not looked at."""
    found = Found()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{root}/")
    keys = {item["Key"].removeprefix(f"{root}/") for page in pages for item in page.get("Contents", ())}
    keys = {key for key in keys if not (match := OF_SHARD.search(key)) or int(match[1]) in shards}
    manifests = {int(match[1]): key for key in sorted(keys) if (match := MANIFEST.fullmatch(key))}
    if missing := sorted(set(shards) - manifests.keys()):
        found.wrong.append(f"shards {missing} have no manifest")
    named: set[str] = set(manifests.values())
    ids: list[int] = []

    def body(key: str) -> bytes:
        content: bytes = client.get_object(Bucket=bucket, Key=f"{root}/{key}")["Body"].read()
        return content

    for number, key in manifests.items():
        manifest = json.loads(body(key))
        data, verdict = (manifest[name].removeprefix(f"{root}/") for name in ("data_key", "verdict_key"))
        named |= {data, verdict}
        if manifest["shard"] != number or manifest["rows"] != shard_phrases:
            found.wrong.append(f"{key}: tells of shard {manifest['shard']} with {manifest['rows']} rows")
        if not DATA.fullmatch(data) or not VERDICT.fullmatch(verdict):
            found.wrong.append(f"{key}: names {data} and {verdict}")
        if {data, verdict} - keys:
            found.wrong.append(f"{key}: names {sorted({data, verdict} - keys)}, which is not there")
            continue
        if json.loads(body(verdict))["passed"] is not True:
            found.wrong.append(f"{verdict}: a committed shard did not pass the gate")
        content = body(data)
        if hashlib.sha256(content).hexdigest() != manifest["data_sha256"] or len(content) != manifest["data_bytes"]:
            found.wrong.append(f"{data}: its {len(content)} bytes are not those of the manifest")
            continue
        ids += _read_shard(content, data, found, first_id=number * shard_phrases, rows=shard_phrases)
        found.rejected += sum(manifest["facts"]["rejects"].values())
        if manifest["facts"]["accepted"] != shard_phrases:
            found.wrong.append(f"{key}: its facts count {manifest['facts']['accepted']} accepted phrases")
    found.shards, found.phrases = len(manifests), len(ids)
    planned = sorted(number * shard_phrases + index for number in shards for index in range(shard_phrases))
    if sorted(ids) != planned:
        found.wrong.append(f"the {len(ids)} ids are not the {len(planned)} planned ones, each once")
    found.orphans = sorted(key for key in keys - named if not key.startswith("spec/"))
    return found


def _read_shard(content: bytes, key: str, found: Found, *, first_id: int, rows: int) -> list[int]:
    table = pq.read_table(io.BytesIO(content))
    ids: list[int] = table.column("phrase_id").to_pylist()
    texts = [_folded(text) for text in table.column("text").to_pylist()]
    if ids != list(range(first_id, first_id + rows)):
        found.wrong.append(f"{key}: its {len(ids)} ids do not run from {first_id} on without a gap")
    if len(set(texts)) != rows or not all(texts):
        found.wrong.append(f"{key}: has {len(set(texts))} different texts instead of {rows}")
    return ids


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
