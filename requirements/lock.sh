#!/usr/bin/env bash
# lock.sh [OPTION...]: compile every requirements/*.in into its .txt; options go to `uv pip compile` (--upgrade).
# Only the version a lock already names is kept, so a new package changes nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
PIP=".venvs/uv/bin/python -m pip"
. requirements/package-index.sh
use_pip_settings
unset UV_INDEX UV_INDEX_STRATEGY # a lock is made from the default index alone, so that it is the same everywhere

compile() { # LOCK OPTION...
    local lock="$1"; shift
    echo "requirements/$lock.txt"
    .venvs/uv/bin/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
        "requirements/$lock.in" -o "requirements/$lock.txt" "$@"
}

compile uv "$@"
compile airflow "$@"
compile fleet -c requirements/airflow.txt "$@"
compile build -c requirements/fleet.txt "$@"
compile dev -c requirements/fleet.txt "$@"
compile demo-s3 "$@"
compile llama-cpp "$@"
compile engines --python-platform x86_64-unknown-linux-gnu "$@"
compile engines-image --universal -c requirements/engines.txt "$@"
# torch is in torch-cpu.txt. The three beside it are vLLM's for pictures and sound: their builds in package
# registries are CUDA ones, which break `import transformers` next to a CPU torch. triton is for GPUs.
left_out=(--no-emit-package torch --no-emit-package torchvision --no-emit-package torchaudio
    --no-emit-package torchcodec --no-emit-package triton)
# Without that CPU build in pip's find-links, ask PyTorch's own index for it.
compile engines-cpu "${left_out[@]}" "$@" || compile engines-cpu "${left_out[@]}" --torch-backend cpu "$@"
