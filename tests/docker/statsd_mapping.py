"""docker/metrics/statsd.yaml read as statsd-exporter reads it: globs in their order first, then regular expressions."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

METRICS = Path(__file__).parents[2] / "docker" / "metrics"


@dataclass(frozen=True)
class Mapping:
    match: str
    name: str
    is_regex: bool
    drops: bool
    ttl: str | None

    def takes(self, name: str) -> bool:
        if self.is_regex:
            return re.search(self.match, name) is not None
        parts = [r"[^.]*" if part == "*" else re.escape(part) for part in self.match.split(".")]
        return re.fullmatch(r"\.".join(parts), name) is not None


def read() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((METRICS / "statsd.yaml").read_text(encoding="utf-8"))
    return content


@functools.cache
def mappings() -> list[Mapping]:
    return [
        Mapping(
            match=one["match"],
            name=one["name"],
            is_regex=one.get("match_type") == "regex",
            drops=one.get("action") == "drop",
            ttl=one.get("ttl"),
        )
        for one in read()["mappings"]
    ]


def mapped_name(name: str) -> str | None:
    """The Prometheus name of a StatsD name; None where it is dropped."""
    for mapping in sorted(mappings(), key=lambda one: one.is_regex):
        if mapping.takes(name):
            return None if mapping.drops else mapping.name
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)
