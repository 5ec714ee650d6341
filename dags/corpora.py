"""One Airflow Dag for every corpus file in include/corpora (or the folders of $PHRASEMILL_CORPORA)."""

from phrasemill.airflow.corpus_dag import corpus_dags

globals().update(corpus_dags())
