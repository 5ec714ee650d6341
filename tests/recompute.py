"""The figures of a report once more, from the bucket's Parquet files alone: pyarrow and pandas, none of our code.

It is slow and plain on purpose, so that a mistake in the report is not made here too.
"""

import io
import json
import math
import unicodedata
from collections import Counter
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

WINDOW = 500
OPENINGS_OF_A_SHARD, OPENINGS_SHOWN = 20, 10


def read_shards(client: Any, bucket: str, root: str, shards: list[int]) -> dict[int, pd.DataFrame]:
    """Rows of committed shards by number; `root` is the corpus's prefix."""
    frames = {}
    for number in shards:
        body = client.get_object(Bucket=bucket, Key=f"{root}/manifests/shard-{number:05d}.json")["Body"].read()
        data = client.get_object(Bucket=bucket, Key=json.loads(body)["data_key"])["Body"].read()
        frames[number] = pq.read_table(io.BytesIO(data)).to_pandas()
    return frames


def recompute(frames: dict[int, pd.DataFrame]) -> dict[str, Any]:
    """Figures by the names that summary.json has for them."""
    rows = pd.concat(frames.values())
    lengths = sorted(len(text) for text in rows["text"])
    openings = common_openings(frames)
    return {
        "phrases": len(rows),
        "chars": sum(lengths),
        "text_bytes": sum(len(text.encode()) for text in rows["text"]),
        "mean": sum(lengths) / len(lengths),
        "shortest": lengths[0],
        "longest": lengths[-1],
        **{name: quantile(lengths, level) for name, level in (("p05", 0.05), ("median", 0.5), ("p95", 0.95))},
        "histogram": dict(Counter(lengths)),
        "templates": dict(Counter(rows["template"].astype(str))),
        "mean_attempt": weighted(frames, lambda frame: float((frame["attempt"] - frame["attempt"].min()).mean())),
        **{f"distinct_{n}": weighted(frames, lambda frame, n=n: distinct(frame["text"], n)) for n in (1, 2, 3)},
        "top_opening_share": weighted(frames, top_opening_share),
        "openings": openings,
        "shard_mean_chars": {n: float(frame["text"].str.len().mean()) for n, frame in frames.items()},
    }


def words(text: str) -> list[str]:
    """Runs of letters, marks, digits and apostrophes of the folded text."""
    folded = unicodedata.normalize("NFKC", text).lower()
    kept = (sign if unicodedata.category(sign)[0] in "LMN" or sign in "'’" else " " for sign in folded)
    return "".join(kept).split()


def quantile(ordered: list[int], level: float) -> int:
    """The shortest length that at least this share of phrases does not exceed."""
    return ordered[max(0, math.ceil(level * len(ordered)) - 1)]


def distinct(texts: pd.Series, n: int) -> float:
    """Different n-grams of all, in runs of 500 phrases."""
    different = total = 0
    for first in range(0, len(texts), WINDOW):
        grams = [
            tuple(tokens[k : k + n])
            for tokens in map(words, texts.iloc[first : first + WINDOW])
            for k in range(len(tokens) - n + 1)
        ]
        different, total = different + len(set(grams)), total + len(grams)
    return different / total if total else 0.0


def opening_counts(frame: pd.DataFrame) -> list[tuple[str, int]]:
    """Openings of three words, the most common first, ties by the alphabet."""
    counts = Counter(" ".join(words(text)[:3]) for text in frame["text"])
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def top_opening_share(frame: pd.DataFrame) -> float:
    """Phrases with the most common opening, of all."""
    return opening_counts(frame)[0][1] / len(frame)


def common_openings(frames: dict[int, pd.DataFrame]) -> dict[str, dict[str, Any]]:
    """By opening: what the shards' own lists of twenty sum up to, what is true, and whether every list has it."""
    lists = [dict(opening_counts(frame)[:OPENINGS_OF_A_SHARD]) for frame in frames.values()]
    true: Counter[str] = Counter()
    for frame in frames.values():
        true.update(dict(opening_counts(frame)))
    listed: Counter[str] = Counter()
    for one in lists:
        listed.update(one)
    return {
        opening: {"listed": count, "true": true[opening], "in_all": all(opening in one for one in lists)}
        for opening, count in listed.items()
    }


def weighted(frames: dict[int, pd.DataFrame], figure: Any) -> float:
    """A figure's mean over phrases."""
    total = sum(len(frame) for frame in frames.values())
    return sum(figure(frame) * len(frame) for frame in frames.values()) / total
