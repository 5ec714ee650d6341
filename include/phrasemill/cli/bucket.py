"""The bucket of a corpus, for commands: found by the corpus file and boto3's own settings."""

from typing import TYPE_CHECKING

from phrasemill.corpus_file import find_corpus, load_corpus

if TYPE_CHECKING:
    from phrasemill.store.corpus_store import CorpusStore


def open_store(corpus: str) -> "CorpusStore":
    """The store of a corpus, by its name or its file's path.

    Raises:
        SpecError: the corpus file is wrong, or there is none.
        StoreError: S3 cannot be set up.
    """
    from phrasemill.store.bucket import Bucket, client_from_environment  # noqa: PLC0415
    from phrasemill.store.corpus_store import CorpusStore  # noqa: PLC0415

    spec = load_corpus(find_corpus(corpus))
    return CorpusStore(Bucket(client_from_environment(), spec.storage.bucket), spec)
