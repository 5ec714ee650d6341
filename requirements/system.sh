#!/usr/bin/env bash
# system.sh: what the tests of `make e2e` need of the system: Chromium for pages, PostgreSQL for Airflow at work.
# Root gets what is missing from Debian's packages.
set -euo pipefail

has_chromium() {
    local name
    for name in "${PHRASEMILL_CHROMIUM:-}" chromium chromium-browser google-chrome; do
        if [ -n "$name" ] && command -v "$name" >/dev/null; then return 0; fi
    done
    return 1
}

has_postgresql() {
    command -v initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null
}

missing=()
has_chromium || missing+=(chromium)
has_postgresql || missing+=(postgresql)
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "phrasemill: make e2e needs ${missing[*]}; install it (Debian: apt-get install ${missing[*]}), or name a Chromium in PHRASEMILL_CHROMIUM" >&2
    exit 1
fi
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "${missing[@]}" >/dev/null
