"""A release Dag for every sound corpus file in include/corpora (or the folders of $PHRASEMILL_CORPORA)."""

from phrasemill.airflow.release_dag import release_dags

globals().update(release_dags())
