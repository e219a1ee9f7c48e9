#!/usr/bin/env bash
# Is this stack whole? Registers an agent, has a request of its verified, its replay refused, its key rotated, and
# looks whether Prometheus sees both services. Prints a line a step; ends with 0 only if all are well.
#
# It needs nothing but docker: the steps run in the registrar's container, which has Python and our own signing.
# It leaves one agent behind, whose private keys it forgets.
set -euo pipefail

compose=(docker compose -f "$(dirname "${BASH_SOURCE[0]}")/docker-compose.yml")

fail() { printf 'FAIL  %s\n' "$*" >&2; exit 1; }

# From the host: what is published answers, and what must not be is not.
answers() {
    local address port status
    address=$("${compose[@]}" port "$1" "$2" 2>/dev/null) || fail "$1: port $2 is not published"
    port=${address##*:}
    exec 3<>"/dev/tcp/127.0.0.1/$port" || fail "$1: nobody listens on port $port of this host"
    printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$3" >&3
    read -r _ status _ <&3
    exec 3>&-
    [ "$status" = 200 ] || fail "$1: $3 on port $port of this host answers $status"
    printf 'ok    %s answers on port %s of this host\n' "$1" "$port"
}

is_private() {
    case $("${compose[@]}" port "$1" "$2" 2>/dev/null || true) in
    "" | *:0) printf 'ok    %s: port %s stays inside\n' "$1" "$2" ;;
    *) fail "$1: port $2 is published" ;;
    esac
}

answers registrar 3000 /readyz
answers verifier 4000 /readyz
is_private registrar 3001
is_private verifier 4001
is_private postgres 5432
is_private redis 6379
"${compose[@]}" exec -T registrar python -I - <"$(dirname "${BASH_SOURCE[0]}")/smoke.py"
