#!/usr/bin/env bash
# system.sh: what tests of pages need of the system, a Chromium. Root gets what is missing from Debian's packages.
set -euo pipefail
for name in "${PHRASEMILL_CHROMIUM:-}" chromium chromium-browser google-chrome; do
    if [ -n "$name" ] && command -v "$name" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "phrasemill: tests of pages need Chromium; install it (Debian: apt-get install chromium), or set PHRASEMILL_CHROMIUM=/path/to/it" >&2
    exit 1
fi
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends chromium >/dev/null
