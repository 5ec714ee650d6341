#!/usr/bin/env bash
# venv.sh uv                  make .venvs/uv: pip and uv
# venv.sh NAME LOCK...        make .venvs/NAME from requirements/LOCK.txt ...
# venv.sh --package NAME      install this checkout's package, editable, into .venvs/NAME
set -euo pipefail
cd "$(dirname "$0")/.."

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3}; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "${PYTHON:-python3} is no Python 3.11 with the venv module; name one: PYTHON=/path/to/python3.11 make demo" >&2
    return 1
}

make_uv() {
    local python
    python="$(find_python)"
    rm -rf .venvs/uv
    "$python" -m venv .venvs/uv
    .venvs/uv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        -r requirements/uv.txt
}

install_lock() { # NAME LOCK
    local install=(.venvs/uv/bin/uv pip install --quiet --python ".venvs/$1/bin/python" --no-deps
        --only-binary ":all:" --no-binary jsonpath-rw -r "requirements/$2.txt") # mlcroissant's one without a wheel
    if [ "$2" != torch-cpu ]; then
        "${install[@]}" --require-hashes
    elif ! "${install[@]}"; then # the lock says why it stands alone
        echo "torch's CPU build is in none of the places that pip is configured for; asking PyTorch's own index"
        "${install[@]}" --torch-backend cpu
    fi
}

PIP=".venvs/uv/bin/python -m pip"
. requirements/package-index.sh

case "$1" in
uv)
    make_uv
    ;;
--package)
    use_pip_settings
    .venvs/uv/bin/uv pip install --quiet --python ".venvs/$2/bin/python" --no-deps --no-build-isolation -e .
    ;;
*)
    name="$1"
    shift
    use_pip_settings
    rm -rf ".venvs/$name"
    .venvs/uv/bin/uv venv --quiet --python .venvs/uv/bin/python ".venvs/$name"
    for lock in "$@"; do install_lock "$name" "$lock"; done
    ;;
esac
