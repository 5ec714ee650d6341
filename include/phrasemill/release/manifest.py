"""ReleaseManifest: the record whose existence means 'this version is published'."""

from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from phrasemill.errors import RecordUnreadable
from phrasemill.release.errors import ReleaseError
from phrasemill.release.keys import ReleaseKeys
from phrasemill.release.place import FileEntry
from phrasemill.release.planning import released
from phrasemill.store.corpus_store import CorpusStore, in_parallel


class VerdictSummary(BaseModel):
    """What the corpus gate said; the whole of it is quality/verdict.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    passed: bool
    expectations: int
    warnings: tuple[str, ...]
    """Expectations that only warn and did not hold, in words."""

    @classmethod
    def of(cls, verdict: dict[str, Any]) -> Self:
        """Sum up a verdict as it lies in quality/verdict.json.

        Raises:
            ReleaseError: it is no verdict.
        """
        try:
            expectations = verdict["expectations"]
            failed = [one for one in expectations if not one["passed"] and one["severity"] == "warning"]
            warnings = tuple(f"{one['name']}: {one['observed']} (limit: {one['limit']})" for one in failed)
            return cls(passed=verdict["passed"], expectations=len(expectations), warnings=warnings)
        except (KeyError, TypeError, ValueError) as error:
            raise ReleaseError(f"quality/verdict.json is of another version ({error!r}); judge again") from error


class ReleaseManifest(BaseModel):
    """One published version: what it holds, what it was made of, and the files with their sha256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    corpus: str
    title: str
    version: str
    partial: bool
    """Whether fewer phrases than the target were allowed."""
    created_at: AwareDatetime
    """When the release was planned."""
    fingerprint: str
    plan_digest: str
    target: int
    phrases: int = Field(ge=0)
    chars: int = Field(ge=0)
    """Unicode characters of all its phrases."""
    text_bytes: int = Field(ge=0)
    """UTF-8 bytes of all its phrases."""
    committed: int = Field(ge=0)
    """Phrases of its shards, duplicates included."""
    dropped_exact: int = Field(ge=0)
    dropped_near: int = Field(ge=0)
    near_duplicates: float | None
    """The share of words in common from which on a phrase was dropped; None: only exact repeats were."""
    order: Literal["id", "shuffled"]
    seed: int
    language: str
    model: str
    adapter: str | None
    shards: str
    """In the words of `planning.parse_shards`."""
    files: tuple[FileEntry, ...]
    """All but the manifest itself, by path."""
    verdict: VerdictSummary

    def as_json(self) -> bytes:
        """The manifest as it lies in the bucket."""
        return self.model_dump_json(indent=1).encode()


def parse_manifest(content: bytes, *, source: str) -> ReleaseManifest:
    """Read a manifest; `source` names it in the message.

    Raises:
        RecordUnreadable: it is none of this version of phrasemill.
    """
    try:
        return ReleaseManifest.model_validate_json(content)
    except ValueError as error:
        raise RecordUnreadable(f"{source}: is no release manifest of this version ({error})") from error


def read_manifest(store: CorpusStore, version: str) -> ReleaseManifest | None:
    """The manifest of a version; None while it is not published.

    Raises:
        RecordUnreadable: what lies there is no manifest of this version of phrasemill.
        ReleaseError: the version cannot be part of a key.
    """
    key = ReleaseKeys.of(store.keys.root, version).manifest
    content = store.bucket.get(key)
    return None if content is None else parse_manifest(content, source=store.url(key))


def latest_version(store: CorpusStore) -> str:
    """The version that was planned last, of those that are published.

    Raises:
        ReleaseError: there is none.
    """
    manifests = in_parallel(lambda version: read_manifest(store, version), released(store))
    newest = max((one for one in manifests if one), key=lambda one: one.created_at, default=None)
    if newest is None:
        raise ReleaseError(
            f"{store.spec.name}: no version is published yet; make one with `phrasemill release {store.spec.name}`"
        )
    return newest.version
