"""The fingerprint: a hash over what decides the text of a corpus, and words for what differs.

In: language (rules read it), shard_phrases (phrase ids hang on it), model, sampling, prompts and rules. Which
form of a lexeme comes first is in too, since rows name lexemes by it; the order of the lexicons is out.
Out: title and description (for people), target_phrases and oversample (more of the same), block_phrases
(staging only; a resumed block is checked against its own range), schedule, gate (accepts or refuses whole
shards, changes no phrase), release (leaves phrases out, changes none), storage, engines (speed), price.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import orjson

from phrasemill.spec import CorpusSpec
from phrasemill.templates import lexeme_forms

DECIDES_TEXT = {"language", "shard_phrases", "model", "sampling", "prompts", "rules"}
ADDED_LATER = {
    ("sampling", "phrases_per_prompt"): 1,
    ("sampling", "stop"): [],
    ("prompts", "examples"): [],
    ("rules", "min_language_score"): 0.3,
    ("rules", "off"): [],
    ("rules", "patterns"): [],
    ("rules", "plugins"): [],
}
"""Fields younger than corpora that are being written: left out at the value that means what was done before them."""


def fingerprint(spec: CorpusSpec) -> str:
    """16 hex digits: the head of a sha256 over the canonical JSON of the fields that decide the text."""
    return hashlib.sha256(orjson.dumps(_deciding(spec), option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def differing_fields(ours: CorpusSpec, theirs: CorpusSpec) -> list[str]:
    """Dotted names of the fields that decide the text and differ, with both values, shortened."""
    return [
        f"{path} ({_short(theirs_value)} there, {_short(ours_value)} in the corpus file)"
        for path, ours_value, theirs_value in _differences(_deciding(ours), _deciding(theirs), "")
    ]


def _deciding(spec: CorpusSpec) -> dict[str, Any]:
    fields = spec.model_dump(mode="json", include=DECIDES_TEXT)
    # Forms are hashed with their names sorted, which loses the one fact that hangs on their order.
    fields["prompts"]["first_forms"] = {
        name: lexeme_forms(lexemes[0])[0] for name, lexemes in spec.prompts.lexicons.items()
    }
    for (section, name), before in ADDED_LATER.items():
        if fields[section][name] == before:
            del fields[section][name]
    for template in fields["prompts"]["templates"]:
        if not template["required_lexemes"]:
            del template["required_lexemes"]
    return fields


def _differences(ours: Any, theirs: Any, path: str) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from _differences(ours.get(key), theirs.get(key), f"{path}.{key}" if path else key)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(mine, other, f"{path}[{index}]")
    elif ours != theirs:
        yield path, ours, theirs


def _short(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, list):
        return f"{len(value)} entries"
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
