"""Links from a shard's tasks to its pages: buttons on each mapped task of a corpus Dag.

The plugin names the links, and Airflow finds the tasks by their class. So a link is there before its task has run,
and is made by the API server, when somebody looks: a task stores nothing for it.
"""

from typing import Any, ClassVar

import attrs
from airflow.providers.standard.decorators.python import _PythonDecoratedOperator
from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.bases.decorator import TaskDecorator, task_decorator_factory
from airflow.sdk.types import TaskInstanceKey


class ShardOperator(_PythonDecoratedOperator):
    """A Python task of one shard; a class of its own so that links stand on these tasks alone."""


def shard_task(**settings: Any) -> TaskDecorator:  # noqa: ANN401
    """Like Airflow's `task(...)`, for a task of one shard."""
    return task_decorator_factory(decorated_operator_class=ShardOperator, **settings)


@attrs.define
class ShardLink(BaseOperatorLink):
    """A button on a shard's task.

    Args:
        name: what is written on it.
        page: what follows the shard's number in the address; empty for its page.
        framed: whether the page opens beside Airflow's navigation.
    """

    operators: ClassVar[list[type[BaseOperator]]] = [ShardOperator]
    name: str = attrs.field()
    page: str = attrs.field()
    framed: bool = attrs.field(default=False, kw_only=True)

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """The address, or nothing while it is not known which shard the task is for."""
        # Only the API server asks, and only it may read Airflow's database: no worker loads these.
        from phrasemill.web.airflow_runs import shard_of_task  # noqa: PLC0415
        from phrasemill.web.places import at, in_ui  # noqa: PLC0415

        shard = shard_of_task(ti_key.dag_id, ti_key.run_id, task_id=ti_key.task_id, map_index=ti_key.map_index)
        if shard is None:
            return ""
        address = f"/dags/{ti_key.dag_id}/shards/{shard}{self.page}"
        return in_ui(address) if self.framed else at(address)


SHARD_LINKS = [
    ShardLink("Shard", "", framed=True),
    ShardLink("Manifest", "/manifest.json"),
    ShardLink("Verdict", "/verdict.json"),
]
