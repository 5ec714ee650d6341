"""Which corpus the demo grinds: the shipped one, or one derived from it by PHRASES, SHARDS and CORPUS."""

from dataclasses import dataclass
from pathlib import Path

from phrasemill.corpus_file import dump_corpus, dump_document, load_corpus, parse_corpus
from phrasemill.demo.errors import DemoOptionError
from phrasemill.demo.layout import BUCKET, MODEL, Layout
from phrasemill.spec import MAX_SHARDS_A_NIGHT, CorpusSpec

DEFAULT_CORPUS = "demo"
DEFAULT_PHRASES = 240
DEFAULT_SHARDS = 4
LARGEST_BLOCK = 20
"""Phrases: on two cores a block then fills every few seconds, which is what the progress line shows."""


@dataclass(frozen=True)
class Choice:
    """What the user asked for, as text."""

    corpus: str | None = None
    phrases: str | None = None
    shards: str | None = None


def chosen_corpus(layout: Layout, choice: Choice) -> tuple[CorpusSpec, Path]:
    """The corpus to grind and its file; a derived one is written under the state folder.

    Raises:
        DemoOptionError: a value is no number, does not divide, or names no corpus.
    """
    name = choice.corpus or DEFAULT_CORPUS
    source = layout.shipped_corpora / f"{name}.yaml"
    if not source.is_file():
        known = ", ".join(sorted(path.stem for path in layout.shipped_corpora.glob("*.yaml")))
        raise DemoOptionError(f"CORPUS={name}: there is no such corpus; choose from: {known}")
    spec = load_corpus(source)
    if name == DEFAULT_CORPUS and choice.phrases is None and choice.shards is None:
        return spec, source
    phrases = _number("PHRASES", choice.phrases, DEFAULT_PHRASES)
    shards = _number("SHARDS", choice.shards, DEFAULT_SHARDS)
    text = dump_corpus(derived(spec, phrases=phrases, shards=shards))
    path = layout.corpora / f"{name}_{phrases}x{shards}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")  # Airflow may read the folder at any moment
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return load_corpus(path), path


def derived(spec: CorpusSpec, *, phrases: int, shards: int) -> CorpusSpec:
    """The same corpus with another size, by hand only, for the demo's engine and bucket.

    Raises:
        DemoOptionError: the phrases do not divide into the shards, or a night cannot hold them.
    """
    if shards > MAX_SHARDS_A_NIGHT:
        raise DemoOptionError(f"SHARDS={shards}: a night holds at most {MAX_SHARDS_A_NIGHT} shards; ask for fewer")
    if phrases % shards:
        below = phrases - phrases % shards
        near = f"{below} or {below + shards}" if below else str(shards)
        raise DemoOptionError(f"PHRASES={phrases} is not divisible by SHARDS={shards}; the nearest PHRASES: {near}")
    shard_phrases = phrases // shards
    document = spec.model_dump(mode="json")
    document |= {
        "name": f"{spec.name}_{phrases}x{shards}",
        "title": f"{spec.title}: {phrases} phrases in {shards} shards",
        "target_phrases": phrases,
        "shard_phrases": shard_phrases,
        "block_phrases": block_size(shard_phrases),
        "oversample": 0.0,
        "model": document["model"] | {"name": MODEL, "adapter": None},
    }
    document["schedule"] |= {"cron": None, "shards_per_night": shards, "catchup": False}
    document["storage"] |= {"bucket": BUCKET, "connection": "phrasemill_s3"}
    document["engines"] |= {"connection": "phrasemill_engines"}
    return parse_corpus(dump_document(document), source=f"{document['name']}.yaml")


def block_size(shard_phrases: int) -> int:
    """The largest divisor of a shard's size not above `LARGEST_BLOCK`."""
    return max(size for size in range(1, LARGEST_BLOCK + 1) if shard_phrases % size == 0)


def _number(variable: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise DemoOptionError(f"{variable}={text}: give a whole number above 0")
    return int(text)
