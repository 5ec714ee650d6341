#!/bin/sh
# check-secrets.sh NAME...: refuse values of docker/.env that are missing, short, or a placeholder. The service `check`
# of the compose files, on which every other one waits. Prints names, never values.
refused=0
for name in "$@"; do
    eval "value=\${$name:-}"
    fault=
    case "$value" in
    '') fault="has no value" ;;
    *'<'* | *'>'* | *[Cc]hange* | *CHANGE* | *[Ee]xample* | *[Pp]laceholder* | *[Pp]assword* | *[Ss]ecret* | *[Aa]dmin*)
        fault="is a placeholder"
        ;;
    *) [ "${#value}" -ge 16 ] || fault="has fewer than 16 characters" ;;
    esac
    if [ "$name" = FERNET_KEY ] && [ -z "$fault" ] && [ "${#value}" -ne 44 ]; then
        fault="is no Fernet key: 32 bytes in base64 are 44 characters"
    fi
    if [ -n "$fault" ]; then
        echo "docker/.env: $name $fault; docker/secrets.sh makes a whole file" >&2
        refused=1
    fi
done
exit "$refused"
