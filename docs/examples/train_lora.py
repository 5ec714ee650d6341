"""Train a LoRA adapter for vLLM on pairs of prompt and phrase, and merge it on request.

    python docs/examples/train_lora.py MODEL pairs.jsonl adapters/harbour --merged models/harbour-merged

MODEL is a folder or a name on the hub. A line of pairs.jsonl is {"system": ..., "prompt": ..., "phrase": ...}; system
may be null. Runs where torch, transformers and peft are installed: .venvs/engines-cpu here, vLLM's own environment with
`pip install peft` on a GPU machine. On two cores 288 pairs for SmolLM2-135M take one to three minutes.

The defaults keep to what vLLM serves: rank 8 (it takes 1, 8, 16, 32, 64 and up), linear layers only, no bias, no DoRA,
no retrained embeddings.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

IGNORED = -100  # what torch's cross entropy leaves out
ATTENTION = "q_proj,k_proj,v_proj,o_proj"

Example = tuple[list[int], int]
"""Tokens of a whole conversation, and where its answer begins."""


def encoded(tokenizer: Any, record: dict[str, str | None]) -> Example:  # noqa: ANN401
    """A pair as the engine will see it: the model's own chat template, then the phrase and the end of its turn."""
    asked = [{"role": "user", "content": record["prompt"]}]
    if record.get("system"):
        asked.insert(0, {"role": "system", "content": record["system"]})
    answered = [*asked, {"role": "assistant", "content": record["phrase"]}]
    before = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template(answered, tokenize=False)
    if not whole.startswith(before):
        sys.exit("train_lora: the chat template changes what stands before the answer; write the texts out yourself")
    prompt = tokenizer(before, add_special_tokens=False)["input_ids"]
    answer = tokenizer(whole[len(before) :], add_special_tokens=False)["input_ids"]
    return prompt + answer, len(prompt)


def batch_of(examples: list[Example], *, padding: int, device: str) -> dict[str, torch.Tensor]:
    """Padded to the longest. The loss is of the answers alone: the prompt is given and need not be learnt."""
    longest = max(len(tokens) for tokens, _ in examples)
    ids = [tokens + [padding] * (longest - len(tokens)) for tokens, _ in examples]
    seen = [[1] * len(tokens) + [0] * (longest - len(tokens)) for tokens, _ in examples]
    labels = [[IGNORED] * start + tokens[start:] + [IGNORED] * (longest - len(tokens)) for tokens, start in examples]
    parts = {"input_ids": ids, "attention_mask": seen, "labels": labels}
    return {name: torch.tensor(rows, device=device) for name, rows in parts.items()}


def train(model: Any, examples: list[Example], *, given: argparse.Namespace, padding: int) -> None:  # noqa: ANN401
    """AdamW over the adapter's weights, warmed up over a tenth of the steps and let down to zero."""
    device = model.device.type
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    steps = given.epochs * -(-len(examples) // given.batch)
    optimizer = torch.optim.AdamW(weights, lr=given.rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, given.rate, total_steps=steps, pct_start=0.1)
    order = random.Random(given.seed)  # noqa: S311 - nothing here is secret
    model.train()
    began, step, recent = time.monotonic(), 0, 0.0
    for _ in range(given.epochs):
        order.shuffle(examples)
        for start in range(0, len(examples), given.batch):
            with torch.autocast(device, dtype=torch.bfloat16):
                loss = model(**batch_of(examples[start : start + given.batch], padding=padding, device=device)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            step += 1
            recent = loss.item() if step == 1 else 0.8 * recent + 0.2 * loss.item()
            if step % 4 == 0 or step == steps:
                sys.stderr.write(f"step {step} of {steps}: loss {recent:.2f}, {time.monotonic() - began:.0f} s\n")


def main() -> None:
    """Train, save the adapter, and merge it where a folder for that is given."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model")
    options.add_argument("pairs", type=Path)
    options.add_argument("adapter", type=Path, help="folder to write")
    options.add_argument("--merged", type=Path, help="folder for the model with the adapter merged into its weights")
    options.add_argument("--rank", type=int, default=8)
    options.add_argument("--modules", default=ATTENTION, help="linear layers to adapt, separated by commas")
    options.add_argument("--epochs", type=int, default=1)
    options.add_argument("--batch", type=int, default=8)
    options.add_argument("--rate", type=float, default=2e-3)
    options.add_argument("--seed", type=int, default=7)
    given = options.parse_args()
    torch.manual_seed(given.seed)
    began = time.monotonic()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    base = AutoModelForCausalLM.from_pretrained(given.model, dtype=torch.bfloat16).to(device)
    adapted = LoraConfig(
        r=given.rank, lora_alpha=2 * given.rank, target_modules=given.modules.split(","), task_type="CAUSAL_LM"
    )
    model = get_peft_model(base, adapted)  # the adapter's weights are float32, whatever the model's
    examples = [encoded(tokenizer, json.loads(line)) for line in given.pairs.read_text(encoding="utf-8").splitlines()]
    train(model, examples, given=given, padding=tokenizer.pad_token_id or tokenizer.eos_token_id)
    model.save_pretrained(given.adapter)
    if given.merged:
        model.merge_and_unload().save_pretrained(given.merged)
        tokenizer.save_pretrained(given.merged)
    sys.stderr.write(f"{len(examples)} pairs, {time.monotonic() - began:.0f} s in all\n")


if __name__ == "__main__":
    main()
