"""Splits a GPU's memory between engines. Pure arithmetic, in bytes."""

import math
from dataclasses import dataclass

from phrasemill.serving.errors import TooLittleMemory
from phrasemill.serving.models import ModelFacts

USABLE_SHARE = 0.92
"""Of what is free now; the rest is for fragmentation and for what other programs take meanwhile."""
PHRASE_TOKENS = 96
"""Prompt and answer of a phrase (62 + 25 tokens as measured), in whole KV blocks of 16 tokens."""
ENGINE_BYTES = int(1.5 * 2**30)
"""Derived: CUDA context 0.5 GiB, CUDA graphs and workspaces 1 GiB."""
BATCHED_TOKENS = 8192
"""vLLM's largest own choice of tokens a step for a server (0.20.2: 8192 on 80 GB, 2048 on small GPUs)."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one engine of several gets of a GPU."""

    kv_bytes: int
    utilization: float
    """For `--gpu-memory-utilization`: vLLM refuses to start if less than this share of the whole is free."""


def overhead_bytes(model: ModelFacts, *, max_num_seqs: int, batched_tokens: int | None) -> int:
    """Of one engine, beside weights and KV cache. An estimate from above, derived.

    Sampling holds four copies of the logits in 32 bits, a step the hidden states and the inner layer in 16.
    """
    logits = 4 * max_num_seqs * model.vocab_size * 4
    states = (batched_tokens or BATCHED_TOKENS) * (4 * model.hidden_size + 3 * model.intermediate_size) * 2
    return ENGINE_BYTES + logits + states


def least_kv_bytes(model: ModelFacts, *, max_num_seqs: int, max_model_len: int) -> int:
    """Below this, sequences wait for cache instead of being decoded (or vLLM refuses to start)."""
    return max(max_model_len, max_num_seqs * PHRASE_TOKENS) * model.kv_bytes_a_token


def split_memory(
    *,
    where: str,
    total_bytes: int,
    free_bytes: int,
    engines: int,
    fixed_bytes: int,
    least_kv: int,
    most_kv: int,
    kv_bytes: int | None = None,
) -> Share:
    """The share of one of `engines` equal engines.

    `fixed_bytes` is what an engine takes beside its KV cache; `kv_bytes` is a cache that a profile insists on.

    Raises:
        TooLittleMemory: saying what is there, what an engine needs, and how many would fit.
    """
    usable = min(free_bytes, total_bytes) * USABLE_SHARE
    needed = fixed_bytes + (kv_bytes or least_kv)
    if engines * needed > usable:
        fit = int(usable // needed)
        advice = f"--engines {fit} would fit" if fit else "not one fits: take a smaller model or a larger GPU"
        raise TooLittleMemory(
            f"{where} has {_gib(free_bytes)} of {_gib(total_bytes)} GiB free, {_gib(usable)} of it usable, and each "
            f"of {engines} engines needs {_gib(needed)} ({_gib(fixed_bytes)} for weights and buffers, "
            f"{_gib(needed - fixed_bytes)} for the KV cache); {advice}"
        )
    share = usable / engines
    # In steps of 1/1000 and rounded down, so that the last engine to start still finds its share free.
    utilization = max(math.floor(1000 * share / total_bytes), 1) / 1000
    return Share(kv_bytes=kv_bytes or int(min(share - fixed_bytes, most_kv)), utilization=utilization)


def _gib(count: float) -> str:
    return f"{count / 2**30:.1f}"
