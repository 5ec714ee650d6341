"""An auth manager that lets everybody who is logged in read the Dag corpus_tiny, and no other Dag."""

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

READABLE = "corpus_tiny"


class Doorkeeper(SimpleAuthManager):
    """Airflow's simple auth manager, with a permission of its own for each Dag."""

    def is_authorized_dag(self, *, details: Any = None, **asked: Any) -> bool:
        named = details.id if details else None
        return named in {None, READABLE} and super().is_authorized_dag(details=details, **asked)
