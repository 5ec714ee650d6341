"""What tests of releases share: a bucket in memory, and shards committed with texts that a test chooses."""

import hashlib
import random
import re
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np

from phrasemill.facts import Facts
from phrasemill.manifest import Manifest
from phrasemill.planning import Shard
from phrasemill.prompts import PromptBook
from phrasemill.rows import build_rows
from phrasemill.rules import text_hash
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import BINARY, Bucket, Entry
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore
from tests.verdicts import make_verdict

ENGLISH = (Path(__file__).parents[1] / "texts" / "good_en.txt").read_text()
WORDS = sorted(set(re.findall(r"\b[a-z]{2,}\b", ENGLISH)))


class MemoryBucket:
    """A bucket's objects in a dict; what a test does to `objects` is what a broken store would do."""

    name = "memory"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        return self.objects.get(key)

    def get_range(self, key: str, first: int, length: int) -> bytes:
        return self.objects[key][first : first + max(0, length)]

    def put(self, key: str, content: bytes, *, content_type: str = BINARY) -> None:
        assert content_type
        with self._lock:
            self.objects[key] = bytes(content)
            self.puts.append(key)

    def put_if_absent(self, key: str, content: bytes, *, content_type: str = BINARY) -> bool:
        with self._lock:
            absent = key not in self.objects
        if absent:
            self.put(key, content, content_type=content_type)
        return self.objects[key] == content

    def entry(self, key: str) -> Entry | None:
        content = self.objects.get(key)
        return None if content is None else Entry(key, len(content), 0.0, hashlib.md5(content).hexdigest())

    def entries(self, prefix: str) -> Iterator[Entry]:
        with self._lock:
            keys = sorted(key for key in self.objects if key.startswith(prefix))
        for key in keys:
            found = self.entry(key)
            if found:
                yield found

    def folders(self, prefix: str) -> list[str]:
        tails = (key.removeprefix(prefix) for key in self.objects if key.startswith(prefix))
        return sorted({f"{prefix}{tail.split('/')[0]}/" for tail in tails if "/" in tail})

    def delete(self, keys: list[str]) -> None:
        with self._lock:
            for key in keys:
                self.objects.pop(key, None)


def memory_store(spec: CorpusSpec) -> CorpusStore:
    return CorpusStore(cast(Bucket, MemoryBucket()), spec)


def copy_of(store: CorpusStore) -> CorpusStore:
    """The same objects in a bucket of their own: also the moments of their commits are the same."""
    copy = memory_store(store.spec)
    objects_of(copy).update(objects_of(store))
    return copy


def objects_of(store: CorpusStore) -> dict[str, bytes]:
    return cast(MemoryBucket, store.bucket).objects


@lru_cache(maxsize=4096)
def sentence(number: int) -> str:
    """Ten different English words: two different numbers have hardly one in common."""
    return f"{' '.join(random.Random(number).sample(WORDS, 10)).capitalize()}."


def changed(text: str, *words: str) -> str:
    """The same sentence with its second word and those after it replaced: one of ten leaves 9/11 in common."""
    kept = text.split(" ")
    return " ".join([kept[0], *words, *kept[1 + len(words) :]])


def commit(store: CorpusStore, number: int, texts: Sequence[str] | None = None) -> Manifest:
    """Commit a shard, also one above the corpus's last; by default with sentences of its ids."""
    spec = store.spec
    shard = Shard(number, number * spec.shard_phrases, spec.shard_phrases)
    texts = list(texts or map(sentence, range(shard.first_id, shard.first_id + shard.rows)))
    assert len(texts) == shard.rows
    rows = build_rows(
        PromptBook(spec),
        language=spec.language,
        first_id=shard.first_id,
        texts=texts,
        hashes=[text_hash(text) for text in texts],
        attempts=np.zeros(shard.rows, np.int64),
    )
    facts = Facts(accepted=shard.rows, rejects={"echo": 3}, prompt_tokens=500, completion_tokens=400, seconds=2.0)
    verdict = make_verdict().model_dump(mode="json")
    return commit_shard(store, shard, rows, facts=facts, verdict=verdict, run_id="run-1")
