"""CorpusStore: a corpus's bucket with its keys and its fingerprint; what is committed, and what fits."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from phrasemill.corpus_file import dump_corpus, parse_corpus
from phrasemill.errors import FingerprintMismatch, ObjectDamaged, RecordUnreadable, SpecError, StoreUnavailable
from phrasemill.fingerprint import differing_fields, fingerprint
from phrasemill.manifest import Manifest
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.keys import MANIFEST, Keys

PARALLEL_READS = 16

Item = TypeVar("Item")
Result = TypeVar("Result")


class CorpusStore:
    """What every step of a corpus needs of the bucket."""

    def __init__(self, bucket: Bucket, spec: CorpusSpec) -> None:
        self.bucket = bucket
        self.spec = spec
        self.keys = Keys.of(spec)
        self.fingerprint = fingerprint(spec)

    def url(self, key: str) -> str:
        """The s3:// address of a key."""
        return f"s3://{self.bucket.name}/{key}"

    def record_spec(self) -> None:
        """Keep the corpus file under its fingerprint, so that later differences can be named."""
        key = self.keys.spec(self.fingerprint)
        self.bucket.put_if_absent(key, dump_corpus(self.spec).encode(), content_type="application/yaml")

    def committed(self) -> list[int]:
        """Numbers of the committed shards, sorted; one listing, no manifest is read."""
        matches = (MANIFEST.search(entry.key) for entry in self.bucket.entries(self.keys.manifests()))
        return sorted(int(match[1]) for match in matches if match)

    def manifest(self, shard_number: int) -> Manifest | None:
        """The manifest of a shard, None while it is not committed.

        Raises:
            FingerprintMismatch: it was made from another version of the corpus file.
            RecordUnreadable: it is no manifest of this version of phrasemill.
        """
        manifest = self.manifest_of_any(shard_number)
        if manifest is not None:
            self.refuse_other(manifest.fingerprint, what=self.url(self.keys.manifest(shard_number)))
        return manifest

    def manifest_of_any(self, shard_number: int) -> Manifest | None:
        """The manifest of a shard, whatever version of the corpus file it was made from.

        Raises:
            RecordUnreadable: it is no manifest of this version of phrasemill.
        """
        key = self.keys.manifest(shard_number)
        content = self.bucket.get(key)
        if content is None:
            return None
        try:
            return Manifest.model_validate_json(content)
        except ValueError as error:
            raise RecordUnreadable(f"{self.url(key)}: is no manifest of this version ({error})") from error

    def manifests(self, shard_numbers: Iterable[int]) -> list[Manifest]:
        """The manifests of those shards that have one, in their order."""
        return [manifest for manifest in in_parallel(self.manifest, shard_numbers) if manifest]

    def refuse_unlike(self, key: str, content: bytes) -> None:
        """Read an object back that was put just now.

        Raises:
            StoreUnavailable: it does not read as it was written.
        """
        try:
            sound = self.bucket.get(key) == content
        except ObjectDamaged:
            sound = False
        if not sound:
            raise StoreUnavailable(f"{self.url(key)}: what was read back differs from what was written; retry")

    def refuse_other(self, other: str, *, what: str) -> None:
        """Refuse work of another fingerprint.

        Raises:
            FingerprintMismatch: naming the fields that differ, as far as the other corpus file was kept.
        """
        if other == self.fingerprint:
            return
        raise FingerprintMismatch(
            f"{what} was made from another version of corpus {self.spec.name!r} (fingerprint {other}, "
            f"now {self.fingerprint}); what differs: {self.differences(other)}. Undo the change, or give the corpus "
            "a new name so that it starts afresh; to go on with both, undo it here and make it in a copy of the file "
            "under another name"
        )

    def differences(self, other: str) -> str:
        """The fields in which the corpus file of another fingerprint differs, as far as it was kept."""
        content = self.bucket.get(self.keys.spec(other))
        if not content:
            return "fields unknown: its corpus file was not kept"
        try:
            theirs = parse_corpus(content.decode(), source=self.keys.spec(other))
        except (SpecError, UnicodeDecodeError):
            return "fields unknown: its corpus file is of another version of phrasemill"
        return "; ".join(differing_fields(self.spec, theirs)) or "the version of phrasemill"


def in_parallel(
    work: Callable[[Item], Result], items: Iterable[Item], *, at_once: int = PARALLEL_READS
) -> list[Result]:
    """Results in the order of the items; the first error is raised, and what has not begun is not done then."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(work, items))
