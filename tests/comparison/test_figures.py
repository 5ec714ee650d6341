"""Figures against values worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

from phrasemill.comparison.figures import figures_of, wilson
from phrasemill.comparison.grinding import Ground
from phrasemill.comparison.sides import Side
from phrasemill.facts import Facts
from phrasemill.planning import Shard
from tests.specs import make_spec
from tests.tables import make_rows

TEXTS = [f"The {word} lantern swings above harbour number {word} tonight." for word in ("red", "old", "tin", "wet")]


def ground(*, facts: dict[str, Any], seconds: float = 8.0, **fields: Any) -> Ground:
    spec = make_spec(target_phrases=4, shard_phrases=4, block_phrases=4, **fields)
    side = Side("side", spec, ("http://127.0.0.1:1",), Path("tiny.yaml"), {})
    rows = make_rows(spec, Shard(0, 0, 4), texts=TEXTS)
    return Ground(side, facts=Facts.model_validate(facts), rows=rows, seconds=seconds, cpu_s=0.5)


FACTS = {"accepted": 4, "rejects": {"too_short": 1, "meta": 3}, "prompt_tokens": 400, "completion_tokens": 200}


def test_rates_shares_and_tokens() -> None:
    found = figures_of(ground(facts=FACTS))
    assert found.phrases_per_s is not None
    assert found.phrases_per_s.likely == pytest.approx(0.5)
    assert found.phrases_per_s.high == pytest.approx(0.5 * 2)  # four phrases: 2 / sqrt(4) more
    assert found.tokens_per_s == pytest.approx(25)
    assert found.accept_share is not None
    assert found.accept_share.likely == pytest.approx(0.5)
    assert list(found.rejects) == ["meta", "too_short"]
    assert (found.prompt_tokens_a_phrase, found.completion_tokens_a_phrase) == (100, 50)
    assert found.text is not None
    assert found.text.mean_chars == sum(map(len, TEXTS)) / 4


def test_engines_that_report_no_tokens_have_none() -> None:
    found = figures_of(ground(facts={"accepted": 4}))
    assert (found.tokens_per_s, found.prompt_tokens_a_phrase, found.completion_tokens_a_phrase) == (None, None, None)


@pytest.mark.parametrize(
    ("price", "a_million"),
    [
        ({"per_gpu_hour": 3.6, "gpus": 2}, 2 * 3.6 * 8 / 3600 / 4 * 1e6),
        ({"per_million_prompt_tokens": 1.0, "per_million_completion_tokens": 4.0}, 100 * 1.0 + 50 * 4.0),
    ],
)
def test_cost_of_a_million_phrases(price: dict[str, float], a_million: float) -> None:
    found = figures_of(ground(facts=FACTS, price=price))
    assert found.cost is not None
    assert found.cost.per_million_phrases == pytest.approx(a_million)


def test_no_price_no_cost() -> None:
    assert figures_of(ground(facts=FACTS)).cost is None


class TestWilson:
    def test_against_the_published_example(self) -> None:
        """Newcombe 1998, Statistics in Medicine 17, p. 861: 81 of 263, at 1.96: 0.2553 to 0.3662."""
        found = wilson(81, 263)
        assert found.low == pytest.approx(0.2553, abs=0.002)  # ours is 2 wide
        assert found.high == pytest.approx(0.3662, abs=0.002)

    @pytest.mark.parametrize("accepted", [0, 20])
    def test_stays_within_none_and_all(self, accepted: int) -> None:
        found = wilson(accepted, 20)
        assert 0 <= found.low <= found.likely <= found.high <= 1
        assert found.high - found.low > 0.1
