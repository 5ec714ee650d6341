"""A tiny corpus for tests, as text and as a spec: 240 phrases, shards of 60, blocks of 20."""

from collections.abc import Mapping
from typing import Any

import yaml

from phrasemill.spec import CorpusSpec

SPEC_YAML = """\
name: tiny
title: Tiny harbour
language: en
target_phrases: 240
shard_phrases: 60
block_phrases: 20
schedule:
  start_date: 2026-11-01
  cron: 0 22 * * *
  timezone: Europe/Berlin
  shards_per_night: 2
model:
  name: tiny-model
prompts:
  system: You write short stories.
  templates:
    - name: seen
      weight: 3
      text: "Write one sentence. Scene number {i}: {object} {place.at}."
    - name: made
      weight: 1
      text: "Write one sentence. Scene number {i}: {trade} with {object}."
  lexicons:
    place:
      - {name: the pier, at: on the pier}
      - {name: the attic, at: in the attic}
      - {name: the cave, at: in the cave}
      - {name: the market, at: at the market}
    object: [a bell, a key, a map, a kettle, a lens, a rope, a drum, a scarf, a flag, a boot]
    trade: [a baker, a diver, a pilot, a mender, a roofer, a cooper, a glazier]
rules:
  min_chars: 20
  max_chars: 160
  min_words: 4
"""


def make_spec(**overrides: Any) -> CorpusSpec:
    """The tiny corpus with fields changed; mappings are merged into the fields they name, all else replaces.

    `make_spec(sampling={"n": 4}, target_phrases=480)` keeps every other field.
    """
    return CorpusSpec.model_validate(merged(yaml.safe_load(SPEC_YAML), overrides))


def merged(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `base` with `changes` merged in, mapping by mapping."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return result
