"""Which versions of a corpus are published."""

from phrasemill.browse.errors import NoRelease
from phrasemill.release.keys import LATEST
from phrasemill.release.manifest import read_manifest
from phrasemill.release.planning import released
from phrasemill.store.corpus_store import CorpusStore, in_parallel


def published_versions(store: CorpusStore) -> list[str]:
    """Published versions, the one that was planned last first.

    Raises:
        RecordUnreadable: a manifest is none of this version of phrasemill.
        StoreError: the bucket cannot be read.
    """
    manifests = in_parallel(lambda version: read_manifest(store, version), released(store))
    found = sorted((manifest.created_at, manifest.version) for manifest in manifests if manifest)
    return [version for _, version in reversed(found)]


def chosen_version(corpus: str, published: list[str], wanted: str) -> str:
    """The version asked for, or the newest where none is asked for by name.

    Raises:
        NoRelease: it is not published, or none is; the message says which are.
    """
    if not published:
        raise NoRelease(f"corpus {corpus!r} has no published release yet; phrasemill release {corpus} makes one")
    if wanted in {"", LATEST}:
        return published[0]
    if wanted not in published:
        raise NoRelease(f"corpus {corpus!r} has no published release {wanted!r}; there are {', '.join(published)}")
    return wanted
