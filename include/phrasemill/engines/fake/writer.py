"""From an Ask to the body that answers it: outputs cut as a model's are, choices in vLLM's JSON."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson

from phrasemill.engines.fake import tokens
from phrasemill.engines.fake.asks import Ask
from phrasemill.engines.fake.faults import Fault
from phrasemill.engines.fake.text import Answer, TextMaker, falls_in, restore_broken


@dataclass(slots=True)
class Output:
    """One finished sequence. `tokens` counts the end token of one that stops by itself, as vLLM does."""

    text: str
    finish_reason: str
    stop_reason: str | None
    tokens: int


class Writer:
    """Writes the outputs of one engine, numbering them from 0 in the order in which they are asked for."""

    def __init__(self, maker: TextMaker) -> None:
        self._maker = maker
        self.serial = 0

    def write(self, ask: Ask, *, text_fault: Fault | None = None) -> list[Output]:
        """Write n outputs for every prompt, prompt-major."""
        outputs: list[Output] = []
        answer = self._maker.answer
        serial = self.serial
        simple = not (ask.stop or ask.ignore_eos or text_fault)
        for prompt, limit in zip(ask.prompts, ask.max_tokens, strict=True):
            for _ in range(ask.n):
                if simple:
                    outputs.append(_cut(answer(serial, prompt), limit))
                else:
                    outputs.append(self._write_one(serial, prompt, limit, ask=ask, fault=text_fault))
                serial += 1
        self.serial = serial
        return outputs

    def _write_one(self, serial: int, prompt: str, limit: int, *, ask: Ask, fault: Fault | None) -> Output:
        if fault and fault.contains in prompt and falls_in(serial, fault.share):
            answer = self._maker.in_mode(fault.text, serial, prompt=prompt)
        else:
            answer = self._maker.answer(serial, prompt)
        if ask.ignore_eos and answer.text:
            copies = limit * tokens.PIECE_BYTES // len(answer.text) + 1
            answer = Answer(" ".join([answer.text] * copies))
        return _stopped(_cut(answer, limit), ask)


def _cut(answer: Answer, limit: int) -> Output:
    """Cut an answer at `limit` tokens, unless its mode decides how it finishes."""
    text, finish_reason = answer
    counted = tokens.count(text) + (finish_reason != "length")
    if finish_reason is None and counted > limit:
        return Output(tokens.clip(text, limit), "length", None, limit)
    return Output(text, finish_reason or "stop", None, counted)


def _stopped(output: Output, ask: Ask) -> Output:
    """Cut an output at the first of the request's stop strings that it holds."""
    found = [(at, stop) for stop in ask.stop if (at := output.text.find(stop)) >= 0]
    if not found:
        return output
    at, stop = min(found)
    text = output.text[: at + len(stop) * ask.keep_stop]
    return Output(text, "stop", stop, tokens.count(output.text[: at + len(stop)]))


def damaged(choices: list[dict[str, Any]], fault: Fault) -> list[dict[str, Any]]:
    """The choices as a fault of CHOICE_MODES leaves them; it strikes the last ones."""
    if fault.mode == "missing_choice":
        return choices[: -fault.choices]
    if fault.mode == "repeated_choice":
        return [*choices[:-1], {**choices[-1], "index": choices[0]["index"]}]
    if fault.mode == "shuffled":
        return choices[1::2] + choices[::2]
    for choice in choices[-fault.choices :]:
        choice["finish_reason"] = "abort"
    return choices


def completion_body(ask: Ask, outputs: list[Output], *, fault: Fault | None = None) -> bytes:
    """The body of a /v1/completions answer."""
    choices = [
        {
            "index": index,
            "text": output.text,
            "logprobs": None,
            "finish_reason": output.finish_reason,
            "stop_reason": output.stop_reason,
            "token_ids": None,
            "prompt_logprobs": None,
            "prompt_token_ids": None,
        }
        for index, output in enumerate(outputs)
    ]
    return _body("cmpl", "text_completion", ask, outputs=outputs, choices=choices, fault=fault)


def chat_body(ask: Ask, outputs: list[Output], *, fault: Fault | None = None) -> bytes:
    """The body of a /v1/chat/completions answer."""
    choices: list[dict[str, Any]] = [
        {
            "index": index,
            "message": {
                "role": "assistant",
                "content": output.text,
                "refusal": None,
                "annotations": None,
                "audio": None,
                "function_call": None,
                "tool_calls": [],
                "reasoning": None,
            },
            "logprobs": None,
            "finish_reason": output.finish_reason,
            "stop_reason": output.stop_reason,
            "token_ids": None,
        }
        for index, output in enumerate(outputs)
    ]
    return _body("chatcmpl", "chat.completion", ask, outputs=outputs, choices=choices, fault=fault)


def _body(
    prefix: str,
    kind: str,
    ask: Ask,
    *,
    outputs: list[Output],
    choices: list[dict[str, Any]],
    fault: Fault | None,
) -> bytes:
    prompt_tokens = sum(ask.prompt_tokens)
    completion_tokens = sum(output.tokens for output in outputs)
    body = orjson.dumps(
        {
            "id": f"{prefix}-{uuid4().hex}",
            "object": kind,
            "created": int(time.time()),
            "model": ask.model,
            "choices": damaged(choices, fault) if fault else choices,
            "service_tier": None,
            "system_fingerprint": None,
            "usage": {
                "prompt_tokens": prompt_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
                "completion_tokens": completion_tokens,
                "prompt_tokens_details": None,
            },
            "kv_transfer_params": None,
        }
    )
    return restore_broken(body)
