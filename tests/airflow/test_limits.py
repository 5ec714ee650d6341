"""Limits and budgets through Airflow: read from the connection, and no retry once a budget is spent."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from phrasemill.corpus_file import dump_corpus
from phrasemill.errors import EngineRefused, EnginesDown, QuotaSpent
from phrasemill.limit_settings import ApiLimits
from tests.specs import make_spec

KEY = "sk-secret-of-the-account"


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    def connect(limits: object) -> None:
        extra = {"urls": "https://api.example.com/v1", "limits": limits}
        connection = {"conn_type": "vllm", "password": KEY, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_PHRASEMILL_ENGINES", json.dumps(connection))

    return connect


class TestLimitsOfAConnection:
    def test_the_form_asks_for_them(self) -> None:
        from airflow.providers_manager import ProvidersManager

        assert "extra__vllm__limits" in ProvidersManager().connection_form_widgets

    @pytest.mark.parametrize("given", [{"requests_per_minute": 60}, '{"requests_per_minute": 60}'])
    def test_an_object_or_its_text(self, connect: Callable[[object], None], given: object) -> None:
        from phrasemill.airflow.hook import EnginesHook

        connect(given)
        assert EnginesHook().limits() == ApiLimits(requests_per_minute=60)

    @pytest.mark.parametrize("given", [None, {}, ""])
    def test_an_empty_field_limits_nothing(self, connect: Callable[[object], None], given: object) -> None:
        from phrasemill.airflow.hook import EnginesHook

        connect(given)
        assert EnginesHook().limits() is None

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"requests_per_minute": 0}, "limits.requests_per_minute is 0 and must be at least 1; correct it"),
            ({"concurrent": "many"}, "limits.concurrent is 'many' and must be a whole number"),
            ({"budget_per_night": -5}, "limits.budget_per_night is -5 and must be more than 0"),
            ({"request_per_minute": 60}, "request_per_minute is not a limit; did you mean requests_per_minute"),
            ({"concurrent": True}, "limits.concurrent is True and must be a number; correct it"),
            ({"two\nlines": 3}, "two<U+000A>lines is not a limit; there are"),
            ("[" * 100_000, "is not JSON; write such as {"),
            ({"colour": 3}, "colour is not a limit; there are requests_per_minute, tokens_per_minute"),
            ({"concurrent": 1, "budget_begins": "noon"}, "must be a time of day such as"),
            ({"budget_begins": "12:00"}, "limit nothing; give one of requests_per_minute"),
            ([60], "[60] is no JSON object; write such as {"),
            ("60 a minute", "'60 a minute' is not JSON; write such as {"),
        ],
    )
    def test_a_mistake_is_one_line_with_connection_field_value_and_mend(
        self, connect: Callable[[object], None], given: object, words: str
    ) -> None:
        from phrasemill.airflow.hook import EnginesHook

        connect(given)
        with pytest.raises(EngineRefused) as refused:
            EnginesHook().limits()
        message = str(refused.value)
        assert message.startswith("connection 'phrasemill_engines', field 'Limits': ")
        assert words in message
        assert "\n" not in message
        assert KEY not in message
        assert EnginesHook().test_connection() == (False, message)


@pytest.mark.usefixtures("connect_s3")
class TestTheWorkplace:
    def test_it_has_the_connections_limits(self, connect: Callable[[object], None], corpora: Path) -> None:
        from phrasemill.airflow.workplace import workplace

        connect({"concurrent": 4})
        (corpora / "tiny.yaml").write_text(dump_corpus(make_spec()))
        assert workplace("tiny", "run", engines=True).limits == ApiLimits(concurrent=4)

    @pytest.mark.parametrize("price", [None, {"per_gpu_hour": 2.5}])
    def test_a_budget_without_token_prices_is_refused_in_one_line(
        self, connect: Callable[[object], None], corpora: Path, price: dict[str, float] | None
    ) -> None:
        from phrasemill.airflow.workplace import workplace

        connect({"budget_per_night": 5})
        (corpora / "tiny.yaml").write_text(dump_corpus(make_spec(price=price)))
        with pytest.raises(
            EngineRefused, match=r"budget_per_night of 5.*'tiny'.*what a token costs; give price"
        ) as told:
            workplace("tiny", "run", engines=True)
        assert "\n" not in str(told.value)


class TestASpentBudget:
    def test_fails_the_task_at_once_where_an_outage_is_retried(self) -> None:
        from airflow.sdk.exceptions import AirflowException, AirflowFailException

        from phrasemill.airflow.workplace import clear_errors

        with pytest.raises(AirflowFailException, match="the budget is spent"), clear_errors():
            raise QuotaSpent("the budget is spent")
        with pytest.raises(AirflowException) as retried, clear_errors():
            raise EnginesDown("nobody answers")
        assert not isinstance(retried.value, AirflowFailException)
