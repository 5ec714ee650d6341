"""The command `phrasemill calibrate`: a minute of the real corpus on the engines at hand, and what it means for all."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from phrasemill.cli.corpora import Corpus
from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.engines.check import check_engines
from phrasemill.engines.finding import read_urls
from phrasemill.errors import PhrasemillError, StoreError
from phrasemill.extras import BUCKETS, ExtraMissing, require
from phrasemill.forecast.calibrating import SECONDS
from phrasemill.forecast.calibrating import calibrate as calibrate_corpus
from phrasemill.forecast.calibration import Calibration, keep_calibration
from phrasemill.forecast.corpus_question import ModelUnknown, question_of
from phrasemill.forecast.gathering import evidence_of
from phrasemill.forecast.model import forecast
from phrasemill.forecast.question import Evidence, ForecastError
from phrasemill.range_words import range_in_words, time_in_words
from phrasemill.ranges import Range
from phrasemill.rules import check_rules
from phrasemill.serving.api_key import read_api_key
from phrasemill.serving.tune_race import CLIENT_BOUND
from phrasemill.spec import CorpusSpec
from phrasemill.terminal import err, out
from phrasemill.visible import visible
from phrasemill.whole_file import write_whole


class RecordUnwritable(PhrasemillError):
    """The file for the record cannot be written."""


def calibrate(
    corpus: Corpus,
    engines: Annotated[
        str,
        typer.Option(envvar="PHRASEMILL_ENGINES", help="Engine URLs, separated by commas or spaces.", show_envvar=True),
    ],
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="Length of the window that is measured.")] = SECONDS,
    to: Annotated[Path | None, typer.Option(help="Write the record to this file too.")] = None,
) -> None:
    """Measure how fast the engines at hand write a corpus, and tell how long all of it will take.

    The mill grinds the corpus's own prompts for a ramp and a window, and then a shard or a part of one alone. No
    phrase is kept and no shard is begun. The record goes to the corpus's bucket, where forecasts find it, if that can
    be reached. An API key is read from PHRASEMILL_API_KEY.
    """
    spec = load_corpus(find_corpus(corpus))
    check_rules(spec)
    if to and to.is_dir():
        raise RecordUnwritable(f"{to}: is a folder; give --to a file in it")
    if to and not to.parent.is_dir():
        raise RecordUnwritable(f"{to}: there is no folder {to.parent}; make it, or give --to another file")
    measured = asyncio.run(
        _measure(spec, read_urls(engines, where="--engines"), seconds=seconds, api_key=read_api_key(None))
    )
    out.print(_table(measured))
    for line in _meaning(spec, measured):
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    _keep(spec, measured, to=to)


async def _measure(spec: CorpusSpec, urls: tuple[str, ...], *, seconds: float, api_key: str | None) -> Calibration:
    found = await check_engines(urls, spec, api_key=api_key)
    for url, why in found.silent.items():
        _say(f"{url} does not answer and is left out: {why}")
    return await calibrate_corpus(spec, found.serving, seconds=seconds, api_key=api_key, on_event=_say)


def _table(measured: Calibration) -> Table:
    engines = "1 engine" if measured.engines == 1 else f"{measured.engines} engines"
    vllm = f", vLLM {measured.vllm}" if measured.vllm else ""
    title = f"{measured.corpus}: {measured.window_s:g} s of {measured.model} on {engines}{vllm}"
    table = Table(title=Text(visible(title)), show_header=False)
    table.add_row("accepted phrases a second, engines full", range_in_words(measured.steady_phrases_per_s))
    if measured.drain_s is not None:
        table.add_row("filling and draining the engines, a shard", time_in_words(measured.drain_s))
    name = f"accepted phrases a second, shards of {measured.shard_phrases:,} one by one"
    table.add_row(name, range_in_words(measured.phrases_per_s))
    table.add_row("outputs accepted", range_in_words(measured.accept_share.times(100), unit="%"))
    rejects = ", ".join(f"{reason} {count}" for reason, count in measured.rejects.items())
    table.add_row("rejected", Text(visible(rejects) or "none"))
    for name, tokens in (
        ("prompt tokens an output", measured.prompt_tokens_per_output),
        ("completion tokens an output", measured.completion_tokens_per_output),
    ):
        if tokens:
            table.add_row(name, range_in_words(tokens))
    if measured.completion_tokens and measured.accepted:
        a_phrase = measured.completion_tokens / measured.accepted
        table.add_row("completion tokens a phrase, rejects included", range_in_words(Range.exactly(a_phrase)))
    if measured.text:
        table.add_row("characters a phrase", range_in_words(measured.text.chars_per_phrase))
        table.add_row("bytes a character", f"{measured.text.bytes_per_char.likely:.3f}")
    return table


def _meaning(spec: CorpusSpec, measured: Calibration) -> list[str]:
    """What the corpus's target takes at this rate, by the forecast; without its book by the rate alone."""
    lines = []
    if measured.client_cpu >= CLIENT_BOUND:
        lines.append("this process used a whole core: it set the pace, and the engines could do more")
    evidence = evidence_of((), measured, spec=spec)
    what = f"{spec.target_phrases:,} phrases"
    try:
        lines += _forecast(spec, evidence, engines=measured.engines, what=what)
    except (ModelUnknown, ForecastError) as error:
        phrases = spec.shard_count * spec.shard_phrases
        lines.append(f"{what}: {time_in_words(measured.phrases_per_s.over(phrases))} of generating")
        lines.append(f"no more is told: {error}")
    return lines


def _forecast(spec: CorpusSpec, evidence: Evidence, *, engines: int, what: str) -> list[str]:
    gpus = spec.price.gpus if spec.price and spec.price.per_gpu_hour is not None else 1
    question = question_of(spec, evidence=evidence, gpus=gpus, engines_per_gpu=-(-engines // gpus), start_s=0)
    told = forecast(question, evidence=evidence)
    beyond = f" and {spec.oversample:.0%} more" if spec.oversample else ""
    lines = [
        f"{what}{beyond}: {time_in_words(told.busy_s)} of generating, {time_in_words(told.useful_s)} with what Airflow "
        "adds, without the start of engines",
    ]
    if told.money is not None:
        lines.append(f"cost: {range_in_words(told.money)} {visible(told.currency or '')}")
    most = told.matters_most
    lines.append(f"what matters most: {most.words}, {range_in_words(most.value)} {most.unit} ({most.source})")
    return lines


def _keep(spec: CorpusSpec, measured: Calibration, *, to: Path | None) -> None:
    """Write the record to the bucket, if one is at hand, and to the file that was asked for."""
    if to:
        try:
            write_whole(to, measured.model_dump_json(indent=1) + "\n")
        except OSError as error:
            raise RecordUnwritable(f"{to}: the record cannot be written ({error}); give --to another file") from error
        out.print(f"wrote {to}", highlight=False, markup=False, soft_wrap=True)
    try:
        require("calibrate", BUCKETS)
        from phrasemill.store.bucket import Bucket, client_from_environment  # noqa: PLC0415 - not on a GPU node
        from phrasemill.store.corpus_store import CorpusStore  # noqa: PLC0415 - the same

        address = keep_calibration(CorpusStore(Bucket(client_from_environment(), spec.storage.bucket), spec), measured)
    except (ExtraMissing, StoreError) as error:
        _say(f"the record is not in the corpus's bucket, so forecasts will not find it: {error}")
    else:
        out.print(f"wrote {address}", highlight=False, markup=False, soft_wrap=True)


def _say(line: str) -> None:
    err.print(line, highlight=False, markup=False, soft_wrap=True)
