#!/usr/bin/env bash
# An adapter from nothing: pairs from the demo corpus's own prompts, training, the merge, then tests that serve all three.
set -euo pipefail
cd "$(dirname "$0")/../.."

models="${PHRASEMILL_MODELS:-.phrasemill/models}"
export PHRASEMILL_LORA="${PHRASEMILL_STATE:-.phrasemill}/e2e-lora" PHRASEMILL_MINISTACK=.venvs/s3/bin/ministack
rm -rf "$PHRASEMILL_LORA"
mkdir -p "$PHRASEMILL_LORA"
.venvs/dev/bin/python docs/examples/harbour_pairs.py demo >"$PHRASEMILL_LORA/pairs.jsonl"
HF_HUB_OFFLINE=1 .venvs/engines-cpu/bin/python docs/examples/train_lora.py "$models/SmolLM2-135M-Instruct" \
    "$PHRASEMILL_LORA/pairs.jsonl" "$PHRASEMILL_LORA/adapter" --merged "$PHRASEMILL_LORA/merged"
.venvs/dev/bin/python -m pytest -m lora tests/lora
