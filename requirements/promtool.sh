#!/usr/bin/env bash
# promtool.sh: prints the path of promtool, which checks and tries the alert rules. One on PATH is taken; else that of
# Debian's package prometheus, unpacked under the state folder. Nothing is installed, no service is started.
set -euo pipefail

if command -v promtool; then exit 0; fi

tools="$(mkdir -p "${PHRASEMILL_STATE:-.phrasemill}/tools" && cd "${PHRASEMILL_STATE:-.phrasemill}/tools" && pwd)"
promtool="$tools/prometheus/usr/bin/promtool"
if [ -x "$promtool" ]; then
    echo "$promtool"
    exit 0
fi

give_up() {
    echo "phrasemill: promtool is not here and cannot be had: $1; install Prometheus (Debian: apt-get install prometheus)" >&2
    exit 1
}

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || give_up "this system has no Debian packages"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
if [ "$(id -u)" = 0 ]; then chown _apt "$work" 2>/dev/null || true; fi # as whom apt downloads then
download() { (cd "$work" && apt-get -qq download prometheus >&2); }
# Package lists that are empty, or older than the package: root may renew them.
download || { [ "$(id -u)" = 0 ] && apt-get -qq update >&2 && download; } || give_up "apt-get download prometheus failed"
dpkg-deb -x "$work"/prometheus_*.deb "$work/unpacked"
[ -x "$work/unpacked/usr/bin/promtool" ] || give_up "the package has no usr/bin/promtool"
rm -rf "$tools/prometheus"
mkdir -p "$tools/prometheus/usr/bin"
# Whole or not at all: a run beside this one may look meanwhile.
cp "$work/unpacked/usr/bin/promtool" "$promtool.$$"
mv "$promtool.$$" "$promtool"
echo "$promtool"
