#!/usr/bin/env bash
# stage.sh NAME COMMAND...: run a set-up step with its output in the log folder, tell that it is done and how
# long it took, or in one line that it failed and where its log is.
set -uo pipefail
name="$1"; shift
logs="${PHRASEMILL_STATE:-.phrasemill}/logs"
mkdir -p "$logs"
log="$logs/setup-${name// /-}.log"
SECONDS=0
if "$@" </dev/null >"$log" 2>&1; then
    printf '%5d s  %s\n' "$SECONDS" "$name"
else
    reason="$(grep -v '^[[:space:]]*$' "$log" | tail -n 1 | cut -c1-400)"
    case "$reason" in
    "phrasemill: "*) line="$reason" ;; # our own program's errors are whole
    *) line="phrasemill: $name failed: ${reason:-it said nothing}; its log: $log" ;;
    esac
    { echo "$line" >&4; } 2>/dev/null || echo "$line" >&2 # 4 is the terminal, where make's own words do not go
    exit 1
fi
