"""Packed: what a file of a release holds, counted while it was packed."""

from pydantic import BaseModel, ConfigDict, Field

from phrasemill.release.errors import WorkMissing
from phrasemill.release.kept import KEPT
from phrasemill.release.place import ReleasePlace
from phrasemill.store.corpus_store import in_parallel

PACKED = "packed/file-"


class Packed(BaseModel):
    """One Parquet file of phrases, and the text file of the same rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int = Field(ge=1)
    chars: int
    """Unicode characters of all its texts."""
    text_bytes: int
    """UTF-8 bytes of all its texts, line ends not among them."""
    first_id: int
    """The lowest phrase id."""
    last_id: int
    """The highest phrase id."""
    templates: dict[str, int]
    """Rows of each template."""
    lexemes: dict[str, dict[str, int]]
    """Lexicon -> lexeme -> rows that have it."""
    langs: dict[str, int]
    """Rows of each language."""


def packed_name(file: int) -> str:
    """Under which name the counts of a file are left."""
    return f"{PACKED}{file:05d}.json"


def read_packed(place: ReleasePlace) -> list[Packed]:
    """The counts of all files, in their order.

    Raises:
        WorkMissing: a file has not been packed.
    """
    files = [Packed.model_validate_json(content) for content in in_parallel(place.work, place.work_names(PACKED))]
    kept, found = place.json(KEPT)["kept"], sum(file.rows for file in files)
    if found != kept:
        raise WorkMissing(
            f"release {place.plan.version} keeps {kept} phrases, and {len(files)} files with {found} of them are "
            "packed; pack the others, or run the release again from its start"
        )
    return files
