#!/usr/bin/env bash
# system.sh [fleet]: what the tests of `make e2e` need of the system: Chromium for pages, PostgreSQL for Airflow at work.
# For `make e2e-fleet`: PostgreSQL, Redis, and what makes network namespaces. Root gets what is missing from Debian's
# packages. None of them starts a service of Redis: redis-tools has the server's program under another name.
set -euo pipefail

has() {
    local name
    for name in "$@"; do
        if [ -n "$name" ] && command -v "$name" >/dev/null; then return 0; fi
    done
    return 1
}

has_postgresql() {
    has initdb || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null
}

missing=()
has_postgresql || missing+=(postgresql)
if [ "${1:-}" = fleet ]; then
    target=e2e-fleet hint=
    has redis-server valkey-server redis-check-rdb || missing+=(redis-tools)
    has ip || missing+=(iproute2)
    { has unshare && has nsenter; } || missing+=(util-linux)
else
    target=e2e hint=", or name a Chromium in PHRASEMILL_CHROMIUM"
    has "${PHRASEMILL_CHROMIUM:-}" chromium chromium-browser google-chrome || missing+=(chromium)
fi
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ] || ! has apt-get; then
    echo "phrasemill: make $target needs ${missing[*]}; install it (Debian: apt-get install ${missing[*]})$hint" >&2
    exit 1
fi
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "${missing[@]}" >/dev/null
