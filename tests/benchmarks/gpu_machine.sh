#!/usr/bin/env bash
# On a GPU machine with vLLM importable: starts COUNT engines of MODEL on one GPU and waits until all are healthy.
# usage: gpu_machine.sh MODEL NAME FIRST_PORT COUNT KV_BYTES [more vLLM options]
set -euo pipefail
model=$1 name=$2 first=$3 count=$4 kv=$5
shift 5
for ((k = 0; k < count; k++)); do
  port=$((first + k))
  VLLM_HTTP_TIMEOUT_KEEP_ALIVE=120 VLLM_NO_USAGE_STATS=1 HF_HUB_OFFLINE=1 VLLM_CACHE_ROOT=/tmp/vllm-cache-$port \
    setsid python3 -m vllm.entrypoints.cli.main serve "$model" --served-model-name "$name" --port "$port" \
    --host 127.0.0.1 --max-model-len 1024 --max-num-seqs 512 --kv-cache-memory-bytes "$kv" \
    --gpu-memory-utilization 0.2 --generation-config vllm --disable-uvicorn-access-log "$@" \
    >"/tmp/engine-$port.log" 2>&1 &
  echo $! >"/tmp/engine-$port.pid"
  sleep 4
done
for ((k = 0; k < count; k++)); do
  port=$((first + k))
  for ((second = 0; second < 400; second++)); do
    curl -sf "http://127.0.0.1:$port/health" && break
    kill -0 "$(cat "/tmp/engine-$port.pid")" || { tail -40 "/tmp/engine-$port.log"; exit 1; }
    sleep 1
  done
done
echo "all $count engines of $name are healthy"
