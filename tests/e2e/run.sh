#!/usr/bin/env bash
# The demo as `make demo` runs it, on a state folder and ports of its own, then what it left is looked at.
set -euo pipefail
cd "$(dirname "$0")/../.."

export PHRASEMILL_STATE=.phrasemill/e2e
ports=(PHRASEMILL_S3_PORT PHRASEMILL_ENGINE_PORT PHRASEMILL_AIRFLOW_PORT)
read -r -a free < <(.venvs/dev/bin/python tests/e2e/free_ports.py ${#ports[@]})
for number in "${!ports[@]}"; do export "${ports[number]}=${free[number]}"; done

tests() { # pytest's output is kept: in CI, after a failure, it is printed once more below the parts' logs
    .venvs/dev/bin/python -m pytest "$@" | tee .phrasemill/e2e-pytest.txt
}

finish() {
    status=$?
    if [ "$status" != 0 ] && [ -n "${CI:-}" ]; then
        tail -n 10 "$PHRASEMILL_STATE"/logs/*.log >&2 || true
        tail -n 80 .phrasemill/e2e-pytest.txt >&2 || true
    fi
    mkdir -p "$PHRASEMILL_STATE/logs"
    .venvs/dev/bin/python -m tests.e2e.backends.servers || true
    make down >"$PHRASEMILL_STATE/logs/down.log" 2>&1 || cat "$PHRASEMILL_STATE/logs/down.log" >&2
    exit "$status"
}
trap finish EXIT

mkdir -p .phrasemill
if [ -d "$PHRASEMILL_STATE" ]; then # what an interrupted run left
    .venvs/dev/bin/python -m tests.e2e.backends.servers
    make reset >/dev/null
fi
PHRASEMILL_MINISTACK=.venvs/s3/bin/ministack tests -m browser tests/browser
make demo
tests -m e2e tests/e2e
make down >/dev/null
PHRASEMILL_MINISTACK=.venvs/s3/bin/ministack tests -m scheduler tests/scheduler
