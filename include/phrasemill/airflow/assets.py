"""The assets that tie a corpus's Dags together. They have names only.

Airflow refuses a task whose asset's address has changed, and buckets do change.
"""

from airflow.sdk import Asset

from phrasemill.spec import CORPUS_DAG, RELEASE_DAG, CorpusSpec


def corpus_asset(spec: CorpusSpec) -> Asset:
    """What close_night updates: once a night, when all its shards are committed."""
    return Asset(name=f"{CORPUS_DAG}{spec.name}")


def release_asset(spec: CorpusSpec) -> Asset:
    """What the last task of a release updates: a version of the corpus is published."""
    return Asset(name=f"{RELEASE_DAG}{spec.name}")
