"""The connection type `vllm`: what Airflow is told of it, what it reads, and what its test button says."""

import json
from collections.abc import Callable

import pytest

from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.errors import EngineRefused
from tests.servers import free_port

Connect = Callable[..., None]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    def connect(password: str | None = None, **extra: str) -> None:
        connection = {"conn_type": "vllm", "password": password, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SOME_ENGINES", json.dumps(connection))

    return connect


class TestTheConnectionType:
    def test_airflow_knows_its_form(self) -> None:
        from airflow.providers_manager import ProvidersManager

        manager = ProvidersManager()
        assert "phrasemill" in manager.providers
        assert manager.hooks["vllm"].hook_name == "vLLM engines"
        assert {"extra__vllm__urls", "extra__vllm__model"} <= set(manager.connection_form_widgets)
        assert manager.field_behaviours["vllm"]["relabeling"] == {"password": "API key"}


class TestWhatTheHookReads:
    def test_urls_separated_by_commas_or_spaces(self, connect: Connect) -> None:
        from phrasemill.airflow.hook import EnginesHook

        connect(password="key", urls="http://a:1, http://b:2/v1\nhttp://c:3", model="m")
        hook = EnginesHook("some_engines")
        assert hook.get_conn() == ("http://a:1", "http://b:2/v1", "http://c:3")
        assert (hook.model, hook.api_key) == ("m", "key")

    def test_a_connection_without_urls_says_which_field_to_fill_in(self, connect: Connect) -> None:
        from phrasemill.airflow.hook import EnginesHook

        connect(urls=" ")
        with pytest.raises(EngineRefused, match="'some_engines' names no engine; fill in its field 'Engine URLs'"):
            EnginesHook("some_engines").get_conn()

    @pytest.mark.parametrize("url", ["gpu-2:8000", "dns+https://engines:8000", "http://me:key@gpu-2:8000"])
    def test_something_that_is_no_url_is_told_with_its_connection(self, connect: Connect, url: str) -> None:
        from phrasemill.airflow.hook import EnginesHook

        connect(urls=f"http://gpu-1:8000, {url}")
        with pytest.raises(EngineRefused, match=r"^connection 'some_engines': .* is no URL of an engine") as refused:
            EnginesHook("some_engines").get_conn()
        assert "me:key" not in str(refused.value)
        fine, words = EnginesHook("some_engines").test_connection()
        assert (fine, words) == (False, str(refused.value))


class TestTheTestButton:
    def test_it_counts_engines_that_answer(self, connect: Connect, engines: list[FakeEngineProcess]) -> None:
        from phrasemill.airflow.hook import EnginesHook

        connect(urls=f"{engines[0].url}/v1, {engines[1].url}")
        assert EnginesHook("some_engines").test_connection() == (True, "2 engines answer")

    def test_it_counts_the_engines_behind_a_name(self, connect: Connect, engine: FakeEngineProcess) -> None:
        from phrasemill.airflow.hook import EnginesHook

        connect(urls=f"dns+{engine.url}, {engine.url}/v1")
        assert EnginesHook("some_engines").test_connection() == (True, "1 engine answers")

    def test_it_says_which_name_cannot_be_looked_up(self, connect: Connect, engine: FakeEngineProcess) -> None:
        from phrasemill.airflow.hook import EnginesHook

        longer_than_a_name_may_be = "engines" * 10
        connect(urls=f"dns+http://{longer_than_a_name_may_be}:8000, {engine.url}")
        fine, words = EnginesHook("some_engines").test_connection()
        assert not fine
        assert f"the name {longer_than_a_name_may_be} cannot be looked up" in words

    def test_it_says_which_one_does_not(self, connect: Connect, engine: FakeEngineProcess) -> None:
        from phrasemill.airflow.hook import EnginesHook

        silent = f"http://127.0.0.1:{free_port()}"
        connect(urls=f"{engine.url}, {silent}")
        fine, words = EnginesHook("some_engines").test_connection()
        assert not fine
        assert silent in words
        assert engine.url not in words
