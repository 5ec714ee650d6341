#!/usr/bin/env bash
# secrets.sh: make docker/.env from docker/.env.example, with a fresh secret for each name that has no value there.
# The file is readable by you alone (mode 0600), and is never overwritten: what is encrypted with its keys would be lost.
set -euo pipefail
cd "$(dirname "$0")"

hex() { head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
fernet() { head -c 32 /dev/urandom | base64 | tr -d '\n' | tr '+/' '-_'; }

if [ -e .env ]; then
    echo "docker/.env is there and stays as it is; move it away if you really want other secrets" >&2
    exit 1
fi
partial="$(mktemp .env.partial.XXXXXX)" # of mode 0600
trap 'rm -f "$partial"' EXIT
while IFS= read -r line || [ -n "$line" ]; do
    case "$line" in
    '#'*) ;;
    FERNET_KEY=) line+="$(fernet)" ;;
    JWT_SECRET=) line+="$(hex 64)" ;; # HS512 wants 64 bytes
    *[A-Z_]=) line+="$(hex 24)" ;;
    esac
    printf '%s\n' "$line"
done <.env.example >"$partial"
ln "$partial" .env # refuses where a copy would overwrite the file of another run
echo "docker/.env is made; sign in as admin with what ADMIN_PASSWORD= says in it"
