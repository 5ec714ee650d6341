"""AirflowApi and `apply_sharing` against Airflow's own API, served for real."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from phrasemill.airflow_api import AirflowApi, AirflowRefused, Login
from phrasemill.serving.apply_command import apply_sharing
from phrasemill.spec import ENGINES_POOL
from tests.servers import free_port


@pytest.fixture(scope="module")
def address(app: Any) -> Iterator[str]:
    import uvicorn

    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline, "Airflow's app does not answer"
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)


def api_of(address: str, role: str) -> AirflowApi:
    from tests.airflow.browsers import token_of

    return AirflowApi(address, Login(token=token_of(role)))


class TestPools:
    def test_are_made_and_given_other_slots_and_nothing_else(self, address: str) -> None:
        api = api_of(address, "admin")
        assert api.pool_slots("gpu pool/1") is None
        api.set_pool("gpu pool/1", 3, "first")
        body = {"pool": "gpu pool/1", "slots": 3, "include_deferred": True}
        api._call("PATCH", "/pools/gpu%20pool%2F1", json=body, params={"update_mask": ["include_deferred"]})
        api.set_pool("gpu pool/1", 5, "second")
        assert api.pool_slots("gpu pool/1") == 5
        held = api._call("GET", "/pools/gpu%20pool%2F1")
        assert (held["description"], held["include_deferred"]) == ("first", True)
        assert api.pool_slots("default_pool") == 128

    def test_are_changed_when_somebody_has_made_them_since_we_looked(
        self, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        api = api_of(address, "admin")
        api.set_pool("made_at_once", 2, "theirs")
        with monkeypatch.context() as before_it_was_made:
            before_it_was_made.setattr(api, "_exists", lambda _path: False)
            api.set_pool("made_at_once", 3, "ours")
        assert api.pool_slots("made_at_once") == 3

    def test_of_a_login_without_the_right_are_refused_in_one_line(self, address: str) -> None:
        with pytest.raises(AirflowRefused, match=r"403 .*; this login has no right to do so: give it one, or correct"):
            api_of(address, "viewer").set_pool("another", 3, "")


class TestSharing:
    def test_makes_the_pool_for_the_engines_that_the_connection_names(self, address: str) -> None:
        api = api_of(address, "admin")
        urls = ", ".join(f"http://gpu-{number}:8000" for number in range(20))
        api.set_connection("twenty_engines", "vllm", password="key", extra={"urls": urls, "model": "m"})
        applied = apply_sharing(api, "twenty_engines")
        assert (applied.engines, applied.model, applied.slots) == (20, "m", 3)
        assert api.pool_slots(ENGINES_POOL) == 3
        assert "key" not in json.dumps(repr(applied))
