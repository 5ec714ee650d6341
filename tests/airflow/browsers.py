"""Airflow's whole web app with ours mounted in it, and browsers that are logged in as this or that."""

from typing import Any

from starlette.testclient import TestClient


def whole_app() -> Any:
    """Airflow's app, made anew: plugins are mounted when it is made."""
    from airflow.api_fastapi.app import create_app, purge_cached_app

    purge_cached_app()
    return create_app(apps="core")


def browser(app: Any, *, role: str | None = None, token: str | None = None) -> TestClient:
    """A browser; with a `role` of Airflow's simple auth manager somebody has logged in with it."""
    client = TestClient(app, base_url="http://testserver", raise_server_exceptions=False, follow_redirects=False)
    token = token_of(role) if role else token
    if token:
        client.headers["Authorization"] = f"Bearer {token}"
    return client


def token_of(role: str | None) -> str:
    """The token of somebody with a role; with None, of somebody who is logged in and may see nothing."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="ana", role=role))
