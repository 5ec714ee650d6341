"""Reads corpus files. Every mistake is told with file, line, field, value and what to do."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from phrasemill.corpus_mistakes import mistake_lines
from phrasemill.corpus_text import CorpusText
from phrasemill.errors import SpecError
from phrasemill.fields import NAME
from phrasemill.spec import CorpusSpec

CORPORA_VARIABLE = "PHRASEMILL_CORPORA"


def corpora_folders() -> list[Path]:
    """Folders that hold corpus files: those of $PHRASEMILL_CORPORA, else the project's include/corpora."""
    if listed := os.environ.get(CORPORA_VARIABLE):
        return [Path(folder) for folder in listed.split(os.pathsep) if folder]
    beside = Path(__file__).resolve().parent
    shipped = [beside.parent / "corpora", beside / "corpora"]  # a checkout, an installed wheel
    return [folder for folder in shipped if folder.is_dir()][:1]


def corpus_files() -> list[Path]:
    """All corpus files, sorted by name."""
    return sorted(path for folder in corpora_folders() for path in folder.glob("*.yaml"))


def find_corpus(name_or_path: str) -> Path:
    """The file of a corpus given by name or by path.

    Raises:
        SpecError: there is no such corpus; the message lists those that are there.
    """
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        if not path.is_file():
            raise SpecError(f"{path}: there is no such corpus file; check the path")
        return path
    for candidate in corpus_files():
        if candidate.stem == name_or_path:
            return candidate
    known = ", ".join(sorted(file.stem for file in corpus_files())) or "none"
    raise SpecError(f"there is no corpus {name_or_path!r}; known corpora: {known}")


def load_corpus(path: Path) -> CorpusSpec:
    """Read and validate one corpus file.

    Raises:
        SpecError: with a line for each mistake.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    return _load(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _load(path: Path, _mtime_ns: int, _size: int) -> CorpusSpec:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror}); give the path of a readable file") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError(f"{path}:{line}: is not UTF-8 text ({error.reason}); save the file as UTF-8") from error
    return _parse(text, source=str(path), file_name=path.stem)


def parse_corpus(text: str, *, source: str) -> CorpusSpec:
    """Validate the text of a corpus file; `source` names it in errors.

    Raises:
        SpecError: with a line for each mistake.
    """
    return _parse(text, source=source, file_name=None)


def dump_corpus(spec: CorpusSpec) -> str:
    """The YAML of a spec, every field written out; `parse_corpus` reads it back."""
    return dump_document(spec.model_dump(mode="json"))


def dump_document(document: dict[str, Any]) -> str:
    """The YAML of the fields of a corpus, as they are."""
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=100)


def _parse(text: str, *, source: str, file_name: str | None) -> CorpusSpec:
    corpus = CorpusText(text, source)
    lines = corpus.odd_keys
    try:
        spec = CorpusSpec.model_validate(corpus.fields)
    except ValidationError as error:
        lines += mistake_lines(error, corpus)
    named = corpus.fields.get("name")
    if file_name not in {None, named} and isinstance(named, str) and NAME.fullmatch(named):
        words = f"{named!r} differs from the file's name; call the file {named}.yaml or the corpus {file_name}"
        lines.append(corpus.line(("name",), words))
    if lines:
        raise SpecError("\n".join(line.words for line in sorted(lines)))
    return spec
