"""The command line of the fake engine: `phrasemill fake-engine`, `python -m phrasemill.engines.fake`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from phrasemill.engines.fake.settings import API_KEY_VARIABLE, FakeEngineError, FakeEngineSettings

DEFAULTS = FakeEngineSettings()


def fake_engine(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = DEFAULTS.host,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = DEFAULTS.port,
    model: Annotated[str, typer.Option(help="Name to serve.")] = DEFAULTS.model,
    lora: Annotated[list[str] | None, typer.Option(help="Name of an adapter to serve too. Repeatable.")] = None,
    family: Annotated[
        str, typer.Option(help="Whose chat template the model has: chatml, qwen3, base (none), or another one.")
    ] = DEFAULTS.family,
    max_model_len: Annotated[int, typer.Option(help="Context length, in tokens.")] = DEFAULTS.max_model_len,
    max_num_seqs: Annotated[
        int, typer.Option(help="Sequences that run at once; more of them wait.")
    ] = DEFAULTS.max_num_seqs,
    latency_ms: Annotated[
        float, typer.Option(help="What a sequence waits before its first token.")
    ] = DEFAULTS.latency_ms,
    tokens_per_second: Annotated[
        float, typer.Option(help="Rate of the whole engine; 0 has no limit.")
    ] = DEFAULTS.tokens_per_second,
    text: Annotated[str, typer.Option(help="What to write: good, good_ru, or a bad mode.")] = DEFAULTS.text,
    bad_mode: Annotated[
        list[str] | None, typer.Option(help="Text mode of the bad share. Repeatable: taken in turn.")
    ] = None,
    bad_share: Annotated[float, typer.Option(help="Share of outputs in a bad mode.")] = DEFAULTS.bad_share,
    sentences: Annotated[
        Path | None, typer.Option(help="What text mode `sentences` writes in turn: a file, one a line.")
    ] = DEFAULTS.sentences,
    seed: Annotated[
        int | None, typer.Option(help="Same seed, same sentences. Another one each start by default.")
    ] = None,
    keep_alive_s: Annotated[
        float, typer.Option(help="Close a connection that is idle for this long.")
    ] = DEFAULTS.keep_alive_s,
    shutdown_timeout: Annotated[
        int, typer.Option(help="Seconds after SIGTERM for lists in flight.")
    ] = DEFAULTS.shutdown_timeout,
    api: Annotated[str, typer.Option(help="Whose API: vllm, chat (hosted, OpenAI's), tgi.")] = DEFAULTS.api,
    completions: Annotated[bool, typer.Option("--completions", help="chat: have /v1/completions too.")] = False,
    refuse: Annotated[
        list[str] | None,
        typer.Option(help="chat: refuse max_tokens, n, system or unknown_fields. Repeatable."),
    ] = None,
    requests_per_minute: Annotated[int, typer.Option(help="429 beyond; 0 has no limit.")] = 0,
    tokens_per_minute: Annotated[int, typer.Option(help="429 beyond; 0 has no limit.")] = 0,
    concurrent: Annotated[int, typer.Option(help="Requests at once, 429 beyond; 0 has no limit.")] = 0,
    daily_tokens: Annotated[
        int, typer.Option(help="429 insufficient_quota beyond, until POST /fake/reset-quota; 0 has no limit.")
    ] = 0,
    minute_s: Annotated[float, typer.Option(help="How long a minute lasts.")] = DEFAULTS.minute_s,
    retry_after: Annotated[
        str, typer.Option(help="How a 429 says when to come again: seconds, date, ms, none.")
    ] = DEFAULTS.retry_after,
    port_file: Annotated[Path | None, typer.Option(help="Write the port into this file once listening.")] = None,
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", help="Exit when stdin ends, so when the starter is gone.")
    ] = False,
) -> None:
    """Serve made-up phrases over vLLM's API, or another's, for tests and benchmarks.

    With PHRASEMILL_FAKE_API_KEY set, requests need it as `Authorization: Bearer KEY`, /health, /version and
    /metrics excepted. Faults are set while it runs, by POST /fake/faults.
    """
    from phrasemill.engines.fake.server import serve  # noqa: PLC0415 - the CLI's other commands need no server

    try:
        serve(
            FakeEngineSettings(
                host=host,
                port=port,
                model=model,
                lora=tuple(lora or ()),
                family=family,
                max_model_len=max_model_len,
                max_num_seqs=max_num_seqs,
                latency_ms=latency_ms,
                tokens_per_second=tokens_per_second,
                text=text,
                bad_modes=tuple(bad_mode or ()),
                bad_share=bad_share,
                sentences=sentences,
                seed=seed,
                keep_alive_s=keep_alive_s,
                shutdown_timeout=shutdown_timeout,
                api=api,
                completions=completions,
                refuse=tuple(refuse or ()),
                requests_per_minute=requests_per_minute,
                tokens_per_minute=tokens_per_minute,
                concurrent=concurrent,
                daily_tokens=daily_tokens,
                minute_s=minute_s,
                retry_after=retry_after,
                api_key=os.environ.get(API_KEY_VARIABLE) or None,
                port_file=port_file,
                until_stdin_closes=until_stdin_closes,
            )
        )
    except FakeEngineError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
