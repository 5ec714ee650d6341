"""Rows spread over many: as many as asked for, one of each run, and in no step with a pattern of templates."""

from collections import Counter

import numpy as np
import pytest

from phrasemill.prompts import PromptBook
from phrasemill.release.spread import spread
from tests.specs import make_spec


@pytest.mark.parametrize(("count", "most"), [(0, 30), (1, 30), (30, 30), (31, 30), (240, 30), (1_000_003, 1000)])
def test_one_of_each_run(count: int, most: int) -> None:
    places = spread(count, most=most)
    runs = min(count, most)
    edges = np.arange(runs + 1) * count // max(1, runs)
    assert (edges[:-1] <= places).all()
    assert (places < edges[1:]).all()


def test_templates_are_drawn_as_their_weights_have_them() -> None:
    """Every hundredth phrase is of one template: a turn of this corpus's templates is four phrases long."""
    ids = spread(1_000_000, most=10_000)
    templates = PromptBook(make_spec()).coordinates(ids, np.zeros_like(ids)).column("template").to_pylist()
    assert Counter(templates)["made"] == pytest.approx(2500, abs=150)
