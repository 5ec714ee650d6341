# Sourced. Hands pip's own configuration (files and PIP_* variables) to uv, which reads neither.
# Needs $PIP, a pip command; exports UV_* variables.

pip_setting() { # NAME: the value that pip itself would use, newlines folded to spaces
    local variable="PIP_$(tr 'a-z-' 'A-Z_' <<<"$1")"
    local value="${!variable:-}" section
    for section in install global; do
        [ -n "$value" ] || value="$($PIP config get "$section.$1" 2>/dev/null || true)"
    done
    tr '\n' ' ' <<<"$value" | sed 's/ *$//'
}

use_pip_settings() {
    local index extra links certificate
    index="$(pip_setting index-url)"
    extra="$(pip_setting extra-index-url)"
    links="$(pip_setting find-links)"
    certificate="$(pip_setting cert)"
    export UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1
    [ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
    # pip takes the best match over all indexes. With every hash pinned, so may uv: a package of the same
    # name in another index cannot slip in.
    [ -z "$extra" ] || export UV_INDEX="${UV_INDEX:-$extra}" UV_INDEX_STRATEGY="${UV_INDEX_STRATEGY:-unsafe-best-match}"
    [ -z "$links" ] || export UV_FIND_LINKS="${UV_FIND_LINKS:-${links// /,}}"
    [ -z "$certificate" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$certificate}"
}
