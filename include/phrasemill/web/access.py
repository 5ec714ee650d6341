"""Who may see what: Airflow's own login and permissions, asked on every route, and the ids that routes take.

A route lists one of MAY_READ_RUN, MAY_READ_DAG and MAY_READ_SOME as its dependencies. Airflow's answers are 401 to
those who are not logged in and 403 to those who may not; both come before an id is looked at.
"""

from collections.abc import Iterable
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, Path

from phrasemill.corpus_file import corpus_files
from phrasemill.fields import NAME
from phrasemill.spec import CORPUS_DAG, MAX_SHARDS

MAY_READ_RUN = [Depends(requires_access_dag("GET", DagAccessEntity.RUN))]
"""Of the Dag in the path, and its runs."""
MAY_READ_DAG = [Depends(requires_access_dag("GET"))]
"""Of the Dag in the path."""
MAY_READ_SOME = [Depends(requires_access_dag("GET"))]
"""Of Dags in general: for routes without a Dag in their path. Which Dags those are, `readable_corpora` says."""

# What Airflow allows in a Dag's id. Only some of these are Dags of corpora: see `corpus_of`.
DagId = Annotated[str, Path(pattern=r"^[\w.-]+$", max_length=250)]
# Airflow's default is narrower, and a setting; nothing that changes the path or breaks a line is let through.
RunId = Annotated[str, Path(pattern=r"^[^\x00-\x1f\x7f/\\.][^\x00-\x1f\x7f/\\]*$", max_length=250)]
ShardNumber = Annotated[int, Path(ge=0, lt=MAX_SHARDS)]


def corpus_of(dag_id: str) -> str | None:
    """The name of the corpus that a Dag is made from, or None if it is no corpus's Dag.

    A name may be well formed and still be nobody's: `phrasemill.web.corpus_cache` finds its file.
    """
    name = dag_id.removeprefix(CORPUS_DAG)
    return name if name != dag_id and NAME.fullmatch(name) else None


def readable_corpora(user: GetUserDep) -> list[str]:
    """A route's parameter: names of the corpora whose Dag this user may read, sorted.

    Use it as `corpora: Annotated[list[str], Depends(readable_corpora)]`.
    """
    return corpora_among(get_auth_manager().get_authorized_dag_ids(user=user, method="GET"))


def corpora_among(dag_ids: Iterable[str]) -> list[str]:
    """Names of the corpora that have both a file and one of these Dags, sorted."""
    there = {path.stem for path in corpus_files()}
    return sorted(there & {name for dag_id in dag_ids if (name := corpus_of(dag_id))})


ReadableCorpora = Annotated[list[str], Depends(readable_corpora)]
"""The type of such a parameter, with its dependency."""
