"""What all pages of a run share: which night it is, and where its files lie."""

from airflow.models.xcom import XComModel
from airflow.utils.session import create_session

from phrasemill.airflow.tasks import NIGHT
from phrasemill.corpus_file import load_corpus
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.web.access import corpus_of
from phrasemill.web.corpus_cache import NotACorpus
from phrasemill.web.problems import NoPage
from phrasemill.web.stores import STORES, corpus_path

RUN = "/dags/{dag_id}/runs/{run_id}"
# A page of its own with generated text in it: escaped, and allowed to run or load nothing.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}


class NoNight(NoPage):
    """A run has not planned its night, so nothing lies in the bucket under its label."""


def night_of(dag_id: str, run_id: str) -> str:
    """The label of the night that a run closes.

    Raises:
        NotACorpus: the Dag is none of a corpus.
        NoNight: the run has not planned its night yet, or there is no such run.
    """
    if corpus_of(dag_id) is None:
        raise NotACorpus(dag_id)
    with create_session() as session:
        query = XComModel.get_many(run_id=run_id, dag_ids=dag_id, task_ids="plan", key=NIGHT, limit=1)
        row = session.scalars(query).first()
        night = XComModel.deserialize_value(row) if row else None
    if not (isinstance(night, dict) and "label" in night):
        raise NoNight("This run has not planned its night yet. Its report is written by task close_night.")
    return str(night["label"])


def store_of(dag_id: str) -> CorpusStore:
    """The bucket of the corpus that a Dag is made from.

    Raises:
        NotACorpus: the Dag has no corpus file.
        SpecError, StoreError: the corpus file or its connection is wrong.
    """
    corpus = corpus_of(dag_id)
    path = corpus_path(corpus) if corpus else None
    if path is None:
        raise NotACorpus(dag_id)
    return STORES.open(load_corpus(path))
