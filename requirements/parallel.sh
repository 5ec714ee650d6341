#!/usr/bin/env bash
# parallel.sh TARGET...: make targets side by side. When one fails, what it said is all that is printed: make's
# own words about it go to a log.
set -uo pipefail
cd "$(dirname "$0")/.."
state="${PHRASEMILL_STATE:-.phrasemill}"
mkdir -p "$state/logs"
if make --question "$@" >/dev/null 2>&1; then exit 0; fi
if [ ! -e .venvs/engines-cpu/.stamp ]; then
    free_mb=$(($(df -Pk . | awk 'NR == 2 {print $4}') / 1024))
    if [ "$free_mb" -lt 6144 ]; then
        echo "phrasemill: ${free_mb} MB are free here and the first set-up needs 6144; make room and run it again" >&2
        exit 1
    fi
fi
exec 4>&2
exec make --silent --no-print-directory -j 8 "$@" 2>"$state/logs/make.log"
