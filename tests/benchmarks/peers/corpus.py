"""What all tools are asked for: the prompts and sampling of the English corpus."""

import json
from pathlib import Path

from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.prompts import PromptBook
from phrasemill.spec import CorpusSpec


def peers_spec(model: str, *, in_flight: int) -> CorpusSpec:
    """The corpus for a model that the fake engine serves, with so many prompts in flight."""
    spec = load_corpus(find_corpus("hyperphrases_en"))
    return spec.model_copy(
        update={
            "model": spec.model.model_copy(update={"name": model}),
            "engines": spec.engines.model_copy(update={"in_flight": in_flight}),
        }
    )


def write_prompts(spec: CorpusSpec, file: Path, *, count: int) -> None:
    """Write the corpus's first `count` prompts, a JSON list [id, system, prompt] a line."""
    book = PromptBook(spec)
    with file.open("w", encoding="utf-8") as lines:
        for number in range(count):
            row = [number, spec.prompts.system or "", book.prompt(number).text]
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
