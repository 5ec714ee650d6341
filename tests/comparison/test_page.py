"""The page, the JSON and the Markdown of a comparison whose every text is hostile."""

import datetime as dt
import json
import re

from phrasemill.comparison.figures import Comparison, Sample, SampleText, SideFigures, TextFigures
from phrasemill.comparison.page import FILES
from phrasemill.ranges import Range
from tests.hostile import HOSTILE


def side(number: int) -> SideFigures:
    text = HOSTILE[number % len(HOSTILE)]
    return SideFigures(
        name=f"{text[:200]} {number}",
        state="measured" if number else "failed",
        trouble=text,
        corpus="tiny",
        model=text,
        engines=(f"http://127.0.0.1:{number}",),
        settings={"prompts.system": text},
        backend="chat",
        asked=text,
        phrases=60,
        judged=100,
        seconds=3.0,
        phrases_per_s=Range(low=18, likely=20, high=22) if number else None,
        rejects={text[:60]: 40},
        text=TextFigures(
            mean_chars=80,
            distinct_2=0.5,
            top_opening_share=0.1,
            top_opening=text,
            compression_ratio=3,
            near_duplicate_share=0.02,
        ),
    )


def hostile_comparison(sides: int = len(HOSTILE)) -> Comparison:
    texts = tuple(SampleText(text=HOSTILE[number], asked_again=bool(number % 2)) for number in range(sides))
    return Comparison(
        phrases=60,
        language="en",
        made_at=dt.datetime(2026, 11, 23, tzinfo=dt.UTC),
        phrasemill="0.1.0",
        notes=tuple(HOSTILE),
        sides=tuple(side(number) for number in range(sides)),
        samples=(Sample(template="seen", slots={"place": HOSTILE[0]}, texts=(None, *texts[1:])),),
    )


def test_the_page_has_no_element_that_its_texts_name() -> None:
    page = FILES["comparison.html"](hostile_comparison())
    assert not re.search(r"<(script|img|svg|iframe|textarea|h1>Mine)", page)
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<style>") == 1
    assert not re.search(r"""(src|href)=["'](?!#)""", page)  # it needs nothing from outside


def test_the_json_gives_the_comparison_again_and_holds_no_markup() -> None:
    told = FILES["comparison.json"](hostile_comparison())
    assert not set("<>&\u202e") & set(told)
    assert Comparison.model_validate(json.loads(told)) == hostile_comparison()


def test_the_markdown_is_one_table_whose_cells_stay_cells() -> None:
    told = FILES["comparison.md"](hostile_comparison())
    rows = [line for line in told.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(HOSTILE)
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert not re.search(r"(?<!\\)<", told)
