"""Calibrating: what a minute of the real corpus on the engines at hand comes to.

The mill grinds as in a night, with the corpus file's own engine settings, but keeps nothing: no phrase reaches the
bucket and no shard is begun. Its phrase ids lie beyond the corpus's end, at a place that differs each time, so that
no engine's prefix cache knows the prompts, neither from a shard written before nor for one written after.

Two things are measured. First the steady rate, over a window in which the engines never drain: their own token
counters times the accepted phrases a token, as `serving.tune_race.rates` explains. Its range comes from the window's
PARTS. Then, unless one would take longer than the window, shards alone from first list to last block: a shard fills the
engines and drains them, and that time counts in `phrases_per_s`, which is of shards one after the other.
"""

import asyncio
import datetime as dt
import math
import random
import time
from collections import deque
from collections.abc import Callable, Sequence

import aiohttp
import orjson

from phrasemill import __version__
from phrasemill.engines.http import EngineFault, get_text
from phrasemill.errors import EngineRefused, PhrasemillError
from phrasemill.fingerprint import fingerprint
from phrasemill.forecast.calibration import Calibration
from phrasemill.forecast.calibration_figures import (
    alone_fits,
    drain_of,
    one_after_the_other,
    steady_rate,
    window_parts,
)
from phrasemill.forecast.text_sample import TextFigures, text_figures
from phrasemill.ranges import Range
from phrasemill.rate_range import SIGMAS, within
from phrasemill.serving.tune_counts import Counts
from phrasemill.serving.tune_measure import Measurer, spec_for
from phrasemill.serving.tune_plan import Candidate, Race
from phrasemill.spec import CorpusSpec

PARTS = 6
SECONDS = 60.0
RAMP_S, LONGEST_RAMP_S = 5.0, 20.0  # as `serving.tune_plan.FULL`
SAMPLED_ANSWERS = 4000
ALONE_WINDOWS = 2  # windows of all engines that a shard alone holds, where it is a part of one
USUAL_TOKENS = 0.4  # spread of the tokens of one output: sentences of 40 to 160 characters
IDS_BEYOND = 9  # corpus lengths beyond its end that ids are drawn from: scene numbers then get one digit more at most


class CalibrationFailed(PhrasemillError):
    """The engines brought nothing to measure within the window."""


async def calibrate(
    spec: CorpusSpec,
    urls: Sequence[str],
    *,
    seconds: float = SECONDS,
    ramp_s: float = RAMP_S,
    longest_ramp_s: float = LONGEST_RAMP_S,
    api_key: str | None = None,
    on_event: Callable[[str], None] = lambda _line: None,
) -> Calibration:
    """Measure a corpus on engines that have passed `engines.check.check_engines`.

    Args:
        spec: gives prompts, sampling, rules and engine settings.
        urls: of the engines, all of which are used.
        seconds: length of the window; the ramp before it and the shards after it come on top.
        ramp_s: the least length of the ramp, which goes on until each prompt in flight has been answered once.
        longest_ramp_s: but no longer than this.
        api_key: of the engines.
        on_event: told what happens, a line at a time.

    Raises:
        CorpusHopeless: nearly all is rejected.
        CalibrationFailed: nothing was accepted within the window.
        EnginesDown, EngineRefused: of the engines.
    """
    candidate = _as_the_corpus_asks(spec, len(urls))
    answers: deque[str] = deque(maxlen=SAMPLED_ANSWERS)
    measurer = Measurer(
        spec,
        race=Race((seconds,), ramp_s, longest_ramp_s),
        api_key=api_key,
        first_id=_first_id(spec, candidate, engines=len(urls)),
        on_answers=lambda texts: answers.extend(text for text in texts if text is not None),
    )
    on_event(f"filling the engines, then {seconds:g} s of {spec.name}: no phrase is kept")
    begin = time.monotonic()

    def tell(counts: Counts) -> None:
        told = f"{counts.accepted:,} accepted of {counts.judged:,} outputs"
        on_event(f"{counts.at - begin:.0f} s: {told}, ramp included")

    counts = await measurer.counts(candidate, urls, window_s=seconds, parts=PARTS, on_part=tell)
    steady = steady_rate(counts)
    if steady is None:
        raise CalibrationFailed(
            f"no phrase of {spec.name} was accepted within {seconds:g} s; measure longer with --seconds, or look at "
            "the engines with `phrasemill engines`"
        )
    phrases = _alone_phrases(spec, candidate, engines=len(urls))
    alone: list[float] = []
    while alone_fits(alone, needed=phrases / steady.likely, window_s=seconds):
        on_event(f"a shard of {phrases:,} phrases with nothing beside it, in about {phrases / steady.likely:.0f} s")
        alone.append(await measurer.shard_alone(candidate, urls, phrases=phrases))
    return _record(
        spec,
        candidate,
        counts,
        seconds=seconds,
        steady=steady,
        alone=alone,
        alone_phrases=phrases,
        engines=len(urls),
        vllm=await _vllm_version(urls[0], api_key),
        text=await asyncio.to_thread(text_figures, spec, answers),
    )


def _as_the_corpus_asks(spec: CorpusSpec, engines: int) -> Candidate:
    """The corpus's own settings. `max_num_seqs` is the engines' affair: the mill never asks for it."""
    asked = spec.engines
    return Candidate(
        max_num_seqs=asked.in_flight,
        engines_per_gpu=engines,
        list_size=asked.list_size,
        in_flight=asked.in_flight,
        n=spec.sampling.n,
    )


def _first_id(spec: CorpusSpec, candidate: Candidate, *, engines: int) -> int:
    block = spec_for(spec, candidate, engines=engines).block_phrases
    end = -(-spec.shard_count * spec.shard_phrases // block)
    return block * random.randrange(end, (1 + IDS_BEYOND) * end)  # noqa: S311


def _alone_phrases(spec: CorpusSpec, candidate: Candidate, *, engines: int) -> int:
    """The corpus's shard; of a long one as much as shows how the engines fill and drain."""
    group = spec.sampling.group
    windows = ALONE_WINDOWS * candidate.in_flight * engines * spec.sampling.phrases_per_prompt
    return min(spec.shard_phrases, -(-windows // group) * group)


def _record(
    spec: CorpusSpec,
    candidate: Candidate,
    counts: Sequence[Counts],
    *,
    seconds: float,
    steady: Range,
    alone: Sequence[float],
    alone_phrases: int,
    engines: int,
    vllm: str | None,
    text: TextFigures | None,
) -> Calibration:
    first, last = counts[0], counts[-1]
    drain = drain_of(alone, alone_phrases, steady)
    judged = max(last.judged, 1)
    tokens = SIGMAS * USUAL_TOKENS / math.sqrt(judged)
    share = last.accepted / judged
    unsure = SIGMAS * math.sqrt((1 - share) / last.accepted)  # of a binomial share
    accept = within(share, unsure)
    return Calibration(
        corpus=spec.name,
        fingerprint=fingerprint(spec),
        model=spec.model.served,
        engines=engines,
        at=dt.datetime.now(dt.UTC),
        phrasemill=__version__,
        vllm=vllm,
        list_size=candidate.list_size,
        in_flight=candidate.in_flight,
        n=candidate.n,
        window_s=seconds,
        parts=tuple(window_parts(counts)),
        accepted=last.accepted,
        judged=last.judged,
        rejects=dict(last.rejects.most_common()),
        prompt_tokens=last.prompt_tokens,
        completion_tokens=last.completion_tokens,
        faults=last.faults,
        client_cpu=(last.cpu_s - first.cpu_s) / max(last.at - first.at, 1e-6),
        steady_phrases_per_s=steady,
        shard_phrases=spec.shard_phrases,
        alone_s=tuple(alone),
        alone_phrases=alone_phrases,
        drain_s=drain,
        phrases_per_s=one_after_the_other(spec.shard_phrases, steady, drain),
        accept_share=Range(low=accept.low, likely=share, high=min(1.0, accept.high)),
        prompt_tokens_per_output=within(last.prompt_tokens / judged, tokens) if last.prompt_tokens else None,
        completion_tokens_per_output=within(last.completion_tokens / judged, tokens)
        if last.completion_tokens
        else None,
        text=text,
    )


async def _vllm_version(url: str, api_key: str | None) -> str | None:
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    async with aiohttp.ClientSession(headers=headers) as session:
        try:
            page = await get_text(session, f"{url.rstrip('/').removesuffix('/v1')}/version")
            return str(orjson.loads(page)["version"])
        except (EngineFault, EngineRefused, orjson.JSONDecodeError, KeyError, TypeError):
            return None
