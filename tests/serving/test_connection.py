"""Against a small server that answers as Airflow's API does; the demo's end-to-end test asks the real one."""

import json
from collections.abc import Iterator

import pytest

from phrasemill.airflow_api import PASSWORD, TOKEN, USERNAME, AirflowApi, AirflowRefused, Login
from phrasemill.serving.connection import ConnectionUnfit, EnginesConnection, merged_urls
from tests.servers import free_port
from tests.serving import airflow_server
from tests.serving.airflow_server import AirflowServer

LOGIN = Login(username=airflow_server.USERNAME, password=airflow_server.PASSWORD)
HERE = ["http://gpu-1:8000", "http://gpu-1:8001"]


@pytest.fixture
def airflow() -> Iterator[AirflowServer]:
    with AirflowServer() as server:
        yield server


@pytest.fixture
def connection(airflow: AirflowServer) -> EnginesConnection:
    return EnginesConnection(AirflowApi(airflow.url, LOGIN), "engines", model="qwen")


def holding(airflow: AirflowServer, urls: str, **fields: object) -> None:
    extra = {"urls": urls, "model": "qwen", "token": "hidden", "note": "rack 7"}
    held = {"conn_type": "vllm", "description": "ours", "password": "old-key", "extra": json.dumps(extra)}
    airflow.connections["engines"] = held | fields


class TestUrls:
    @pytest.mark.parametrize(
        ("listed", "merged"),
        [
            ([], HERE),
            (HERE, HERE),
            (["http://gpu-1:8005"], HERE),
            (["gpu-1:8000"], HERE),
            (["http://[gpu-1:8000"], [*HERE, "http://[gpu-1:8000"]),
            (["http://gpu-2:8000"], [*HERE, "http://gpu-2:8000"]),
            (
                ["http://gpu-0:8000", "http://gpu-1:9", "http://gpu-11:9"],
                ["http://gpu-0:8000", *HERE, "http://gpu-11:9"],
            ),
        ],
    )
    def test_of_this_host_are_replaced_and_of_others_kept(self, listed: list[str], merged: list[str]) -> None:
        assert merged_urls(listed, HERE) == sorted(merged)


class TestWriting:
    def test_makes_a_connection_that_is_not_there(self, airflow: AirflowServer, connection: EnginesConnection) -> None:
        assert connection.write(HERE, api_key="key", settle_s=0) == HERE
        made = airflow.connections["engines"]
        assert (made["conn_type"], made["password"]) == ("vllm", "key")
        assert airflow.extra("engines") == {"urls": ", ".join(HERE), "model": "qwen"}

    def test_keeps_the_other_fields_and_hosts(self, airflow: AirflowServer, connection: EnginesConnection) -> None:
        holding(airflow, "http://gpu-1:7000,http://gpu-2:8000")
        assert connection.write(HERE, api_key=None, settle_s=0) == [*HERE, "http://gpu-2:8000"]
        held = airflow.connections["engines"]
        assert (held["description"], held["password"]) == ("ours", "old-key")
        assert airflow.extra("engines") == {
            "urls": ", ".join([*HERE, "http://gpu-2:8000"]),
            "model": "qwen",
            "token": "hidden",
            "note": "rack 7",
        }

    def test_fills_in_one_that_another_machine_made_since_we_looked(
        self, airflow: AirflowServer, connection: EnginesConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        holding(airflow, "http://gpu-2:8000")
        monkeypatch.setattr(connection.api, "_exists", lambda _path: False)
        connection.api.set_connection("engines", "vllm", extra={"urls": "http://gpu-1:8000"})
        assert airflow.extra("engines")["urls"] == "http://gpu-1:8000"
        assert airflow.connections["engines"]["description"] == "ours"

    def test_sets_a_new_api_key(self, airflow: AirflowServer, connection: EnginesConnection) -> None:
        holding(airflow, "")
        connection.write(HERE, api_key="new-key", settle_s=0)
        assert airflow.connections["engines"]["password"] == "new-key"

    def test_is_done_again_when_another_machine_undid_it(
        self, airflow: AirflowServer, connection: EnginesConnection
    ) -> None:
        undone = []

        def undo_once() -> None:
            if not undone:
                undone.append(True)
                holding(airflow, "http://gpu-2:8000")

        airflow.on_write = undo_once
        assert connection.write(HERE, api_key=None, settle_s=0) == [*HERE, "http://gpu-2:8000"]

    def test_is_given_up_when_it_never_stays(self, airflow: AirflowServer, connection: EnginesConnection) -> None:
        airflow.on_write = lambda: holding(airflow, "http://gpu-2:8000")
        with pytest.raises(ConnectionUnfit, match="does not keep http://gpu-1:8000, http://gpu-1:8001"):
            connection.write(HERE, api_key=None, settle_s=0)


class TestBeforeEnginesStart:
    def test_a_connection_that_is_not_there_or_ours_fits(
        self, airflow: AirflowServer, connection: EnginesConnection
    ) -> None:
        connection.check(HERE)
        holding(airflow, "http://gpu-1:8000", extra=json.dumps({"urls": "http://gpu-1:8000", "model": "mistral"}))
        connection.check(HERE)

    def test_another_model_on_other_hosts_is_refused(
        self, airflow: AirflowServer, connection: EnginesConnection
    ) -> None:
        holding(airflow, "", extra=json.dumps({"urls": "http://gpu-2:8000", "model": "mistral"}))
        with pytest.raises(ConnectionUnfit, match="is for model 'mistral' at http://gpu-2:8000, not for 'qwen'"):
            connection.check(HERE)

    def test_a_login_in_anothers_url_is_not_shown(self, airflow: AirflowServer, connection: EnginesConnection) -> None:
        holding(airflow, "", extra=json.dumps({"urls": "http://me:s3cret@gpu-2:8000", "model": "mistral"}))
        with pytest.raises(ConnectionUnfit, match=r"at http://\*\*\*@gpu-2:8000, not for") as refused:
            connection.check(HERE)
        assert "s3cret" not in str(refused.value)

    def test_another_type_is_refused(self, airflow: AirflowServer, connection: EnginesConnection) -> None:
        holding(airflow, "", conn_type="postgres")
        with pytest.raises(ConnectionUnfit, match="is of type 'postgres', not 'vllm'"):
            connection.check(HERE)


class TestLogin:
    def test_is_renewed_when_the_token_is_no_longer_good(
        self, airflow: AirflowServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        api = AirflowApi(airflow.url, LOGIN)
        monkeypatch.setattr(airflow_server, "TOKEN", "token-of-the-next-day")
        assert api.connection("engines") is None
        assert airflow.logins == 2

    def test_by_token_asks_for_no_other(self, airflow: AirflowServer) -> None:
        assert AirflowApi(airflow.url, Login(token=airflow_server.TOKEN)).connection("engines") is None
        assert airflow.logins == 0

    def test_with_a_wrong_password_is_told_without_the_password(self, airflow: AirflowServer) -> None:
        with pytest.raises(AirflowRefused) as refused:
            AirflowApi(airflow.url, Login(username="night-worker", password="wrong horse"))
        assert "refuses the login (401 Invalid credentials); correct PHRASEMILL_AIRFLOW_USERNAME" in str(refused.value)
        assert "wrong horse" not in str(refused.value)
        assert "wrong horse" not in repr(Login(password="wrong horse"))

    def test_with_a_wrong_token_is_told(self, airflow: AirflowServer) -> None:
        with pytest.raises(AirflowRefused, match="401 Invalid JWT token; correct PHRASEMILL_AIRFLOW_USERNAME"):
            AirflowApi(airflow.url, Login(token="stale")).connection("engines")

    def test_comes_from_the_environment_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in (USERNAME, PASSWORD, TOKEN):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(AirflowRefused, match="there is no login for Airflow; set PHRASEMILL_AIRFLOW_TOKEN"):
            Login.from_environment()
        monkeypatch.setenv(USERNAME, "a")
        monkeypatch.setenv(PASSWORD, "b")
        assert Login.from_environment() == Login(username="a", password="b")

    def test_in_airflows_address_is_refused_without_showing_it(self) -> None:
        with pytest.raises(
            AirflowRefused, match="has a login in it; give it by PHRASEMILL_AIRFLOW_USERNAME"
        ) as refused:
            AirflowApi("http://me:s3cret@127.0.0.1:9", LOGIN)
        assert "s3cret" not in str(refused.value)

    def test_airflow_that_is_not_there_is_told(self) -> None:
        url = f"http://127.0.0.1:{free_port()}"
        with pytest.raises(AirflowRefused, match=f"Airflow at {url} does not answer .*; check the address"):
            AirflowApi(url, LOGIN)
