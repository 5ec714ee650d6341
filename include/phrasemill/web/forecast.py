"""The Forecast page: how long a target takes and what it costs, with sliders. The URL's query is its whole state.

/forecast is the page, /forecast/answer the part of it that changes, for the script. Both answer 400 where a value is
wrong, and say which. Only a page that starts from a corpus looks at Airflow or at a bucket.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request, Response

from phrasemill.forecast.answer import Assumption, Forecast
from phrasemill.forecast.book import shipped_book
from phrasemill.forecast.model import forecast
from phrasemill.forecast.question import ForecastError
from phrasemill.forecast.scenarios import ScenarioError, Told, scenarios, tell
from phrasemill.forecast.words import count_words, money_words, range_words, size_words, time_words
from phrasemill.web.access import MAY_READ_SOME, ReadableCorpora
from phrasemill.web.forecast_chart import as_table, curves, draw
from phrasemill.web.forecast_fields import BLANK, FIELDS, MAIN, MORE, STEPS, STREAMS, texts_of
from phrasemill.web.forecast_form import ASSUMED, PERCENT, Asked, asked, in_words, texts_from
from phrasemill.web.forecast_start import NoStart, start_from
from phrasemill.web.pages import fragment, page
from phrasemill.web.problems import one_line

SIZES = {"wide": (640, 340), "narrow": (340, 300)}
"""Width and height of the chart, which is drawn for laptops and for phones."""
FOLDED = (("More figures", MORE), ("A hosted API, or streams without batching", STREAMS))
MATTERS = 1.02
"""Figures that move the working time by less than 2 % from end to end are folded away."""

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Reply:
    """What a query comes to: its texts, and an answer or what is wrong. `status` is that of the HTTP answer."""

    corpus: str
    texts: Mapping[str, str]
    begun: Mapping[str, str]
    """The texts of a form that nobody has touched."""
    asked: Asked
    answer: Forecast | None = None
    problem: str | None = None
    status: int = 200
    notes: tuple[str, ...] = field(default=())


@router.get("/forecast", dependencies=MAY_READ_SOME)
def forecast_page(request: Request, corpora: ReadableCorpora) -> Response:
    """The form, its answer and the scenarios."""
    reply = _reply(request, corpora)
    told, trouble = _scenarios()
    return page(
        request,
        "forecast.html.j2",
        title="Forecast",
        status=reply.status,
        main=MAIN,
        folded=FOLDED,
        touched=[name for name in FIELDS if name in reply.asked.wrong or reply.texts[name] != reply.begun[name]],
        steps=STEPS,
        corpora=corpora,
        scenarios=told,
        trouble=trouble,
        **_shown(reply),
    )


@router.get("/forecast/answer", dependencies=MAY_READ_SOME)
def forecast_answer(request: Request, corpora: ReadableCorpora) -> Response:
    """The answer alone."""
    reply = _reply(request, corpora)
    return fragment(request, "forecast_answer.html.j2", status=reply.status, **_shown(reply))


def _reply(request: Request, corpora: list[str]) -> Reply:
    query = request.query_params.multi_items()
    corpus = request.query_params.get("corpus", "")
    try:
        start = start_from(corpus, corpora) if corpus else None
    except NoStart as error:
        return Reply(corpus, texts_of(query), BLANK, Asked(None), problem=one_line(error), status=error.status)
    begun = texts_from(start.start.question) if start else BLANK
    texts = texts_of(query, start=begun)
    question = asked(texts, start=start.start if start else None)
    notes = start.notes if start else ()
    if question.question is None:
        return Reply(corpus, texts, begun, question, status=400, notes=notes)
    try:
        answer = forecast(question.question, evidence=question.evidence)
    except ForecastError as error:
        return Reply(corpus, texts, begun, question, problem=in_words(str(error)), status=400, notes=notes)
    return Reply(corpus, texts, begun, question, answer, notes=notes)


def _shown(reply: Reply) -> dict[str, Any]:
    """What both templates are drawn from."""
    answer, question = reply.answer, reply.asked.question
    values: dict[str, Any] = {
        "corpus": reply.corpus,
        "texts": reply.texts,
        "begun": reply.begun,
        "wrong": reply.asked.wrong,
        "problem": reply.problem,
        "notes": reply.notes,
        "answer": answer,
        "figures": _figures(answer) if answer else (),
        "used": _used(answer) if answer else {},
        "charts": {},
        "table": ([], []),
        "labels": {name: one.label for name, one in FIELDS.items()},
        "matters": MATTERS,
        "money_words": money_words,
        "premise_words": _premise_words,
        "time_words": time_words,
    }
    if answer and question and answer.engines is not None:
        lines = curves(question, reply.asked.evidence)
        model = shipped_book().model_name(question.model)
        mark = (answer.engines / question.gpus, answer.elapsed_s)
        values["used"]["engines"] = f"{mark[0]:g}"
        values["charts"] = {
            name: draw(lines, chosen=model, mark=mark, width=width, height=height)
            for name, (width, height) in SIZES.items()
            if lines
        }
        values["table"] = as_table(lines)
    return values


def _figures(answer: Forecast) -> list[tuple[str, str, str]]:
    """The figures of an answer: what each is, its likely value and its range, in words."""
    told: list[tuple[str, str | None]] = [
        ("until the last phrase", time_words(answer.elapsed_s)),
        ("of engines at work", time_words(answer.worked_s)),
        ("nights", range_words(answer.nights, "") if answer.nights else None),
        ("GPU hours", range_words(answer.gpu_hours, "") if answer.gpu_hours else None),
        ("to pay", range_words(answer.money, f" {answer.currency}") if answer.money else None),
        ("of energy", range_words(answer.kwh, " kWh") if answer.kwh else None),
        ("phrases", count_words(answer.phrases)),
        ("of text", size_words(answer.text_bytes)),
        ("characters", count_words(answer.chars)),
        ("prompt tokens", count_words(answer.prompt_tokens)),
        ("tokens written", count_words(answer.completion_tokens)),
        ("accepted phrases a second", range_words(answer.phrases_per_s, "")),
    ]
    split = ((name, words.partition(" (")) for name, words in told if words)
    return [(name, likely, rest.partition(")")[0]) for name, (likely, _, rest) in split]


def _used(answer: Forecast) -> dict[str, str]:
    """By field, the figure that stands in for it while it is left empty."""
    used = {ASSUMED[one.name]: (one.name, one.value.likely) for one in answer.assumptions if one.name in ASSUMED}
    return {ours: f"{100 * value if name in PERCENT else value:.3g}" for ours, (name, value) in used.items()}


def _premise_words(premise: Assumption) -> str:
    """Its value with its unit, and shares of one as they are."""
    bare = premise.unit in {"share", "ratio", "exponent"}
    return range_words(premise.value, "" if bare else f" {premise.unit}")


def _scenarios() -> tuple[list[Told], str | None]:
    """All scenarios with their forecasts, or what is wrong with one of their files."""
    try:
        return [tell(scenario) for scenario in scenarios()], None
    except ScenarioError as error:
        return [], one_line(error)
