#!/usr/bin/env bash
# Nights on a fleet in namespaces of its own: nothing of this machine's network is touched, and whatever ends this script
# ends every process of the fleet, since the first of a process namespace takes all others with it.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ $$ != 1 ] || [ -z "${PHRASEMILL_FLEET:-}" ]; then
    if [ "$(id -u)" != 0 ] || ! unshare --net --mount true; then
        echo "phrasemill: make e2e-fleet needs root that may make network namespaces (in a container: --privileged)" >&2
        exit 1
    fi
    .venvs/dev/bin/python -m compileall -q include dags plugins # nodes cannot write to the checkout
    PHRASEMILL_FLEET=1 setpriv --pdeathsig KILL unshare --net --mount --uts --ipc --pid --propagation private --mount-proc \
        --fork --kill-child "$0" "$@" &
    fleet=$!
    trap 'kill -KILL "$fleet"; exit 1' INT TERM HUP
    wait "$fleet"
    exit
fi

mount -t tmpfs none /run
mkdir /run/fleet
for proxy in http_proxy https_proxy all_proxy; do unset "$proxy" "${proxy^^}"; done
export PHRASEMILL_STATE="${PHRASEMILL_STATE:-.phrasemill}" PHRASEMILL_MINISTACK="$PWD/.venvs/s3/bin/ministack"
.venvs/dev/bin/python -m pytest -m fleet tests/fleet "$@"
