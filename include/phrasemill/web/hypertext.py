"""The newest published release of a corpus as hypertext, inside Airflow: to those who may read the corpus's Dag."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from phrasemill.browse.asked import Asked, AskedByQuery, PageName
from phrasemill.browse.errors import NoRelease
from phrasemill.browse.files import BucketFiles
from phrasemill.browse.pages import Elsewhere, Hypertext
from phrasemill.browse.published import chosen_version, published_versions
from phrasemill.browse.reader import ReleaseReader
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.web.access import MAY_READ_DAG, DagId
from phrasemill.web.corpus_cache import look
from phrasemill.web.pages import note, page
from phrasemill.web.problems import one_line

HYPERTEXT = "/dags/{dag_id}/hypertext"
READERS_KEPT = 3
"""Releases that are read at once; each takes MEMORY at most, and 64 MB of blocks."""
MEMORY = "192MB"
LISTED_S = 5.0
"""The bucket is asked for versions at most so often, however many people read."""

router = APIRouter()


class Releases:
    """The releases that this process reads: versions for a moment, readers until others are wanted more.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._versions: dict[str, tuple[float, list[str]]] = {}
        self._readers: OrderedDict[str, ReleaseReader] = OrderedDict()

    def versions(self, store: CorpusStore) -> list[str]:
        """Published versions, the newest first.

        Raises:
            StoreError: the bucket cannot be read.
        """
        place = store.url(store.keys.root)
        with self._lock:
            asked, known = self._versions.get(place, (0.0, []))
            if place in self._versions and self._clock() - asked < LISTED_S:
                return known
        found = published_versions(store)
        with self._lock:
            self._versions[place] = self._clock(), found
        return found

    def reader(self, store: CorpusStore, version: str) -> ReleaseReader:
        """The reader of a published version, which never changes.

        Raises:
            StoreError: the bucket cannot be read, or the release is damaged.
        """
        place = f"{store.url(store.keys.root)} {version}"
        with self._lock:
            if place in self._readers:
                self._readers.move_to_end(place)
                return self._readers[place]
        reader = ReleaseReader(BucketFiles(store, version), memory=MEMORY)
        with self._lock:
            # Another request may have made one meanwhile: the first one stays, with what it has read.
            reader = self._readers.setdefault(place, reader)
            while len(self._readers) > READERS_KEPT:
                self._readers.popitem(last=False)
        return reader


RELEASES = Releases()
"""Those of this process."""


@router.get(HYPERTEXT, dependencies=MAY_READ_DAG)
def start(request: Request, dag_id: DagId, asked: AskedByQuery) -> Response:
    """A phrase at random, and what there is to follow."""
    return _answer(request, dag_id, "", asked)


@router.get(HYPERTEXT + "/{view}", dependencies=MAY_READ_DAG)
def hypertext(request: Request, dag_id: DagId, view: PageName, asked: AskedByQuery) -> Response:
    """A phrase, a scene, a lexeme, a word, or a walk."""
    return _answer(request, dag_id, view, asked)


def _answer(request: Request, dag_id: str, name: str, asked: Asked) -> Response:
    seen = look(dag_id)
    if seen.store is None or seen.problem:
        return note(request, seen.problem or "The bucket has not been read yet.", 503)
    base = f"{request.scope.get('root_path', '')}/dags/{dag_id}/hypertext"
    try:
        versions = RELEASES.versions(seen.store)
        version = chosen_version(seen.corpus, versions, asked.version)
        reader = RELEASES.reader(seen.store, version)
    except NoRelease as error:
        return note(request, one_line(error), 404)
    shown = Hypertext(reader, base=base, version=asked.version).answer(name, asked)
    if isinstance(shown, Elsewhere):
        return RedirectResponse(shown.address, status_code=303, headers={"Cache-Control": "private, no-store"})
    return page(
        request,
        "hypertext.html.j2",
        title=shown.title,
        status=shown.status,
        content=shown.content,
        dag_id=dag_id,
        corpus=seen.corpus,
        version=version,
        versions=versions,
        base=base,
    )
