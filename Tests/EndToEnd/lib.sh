# Functions for the end-to-end tests: real processes, real sockets, real disks. Sourced by each test.
# PARLEY_BIN names the program; a test takes the ports from PORT on and works in a folder of its own.
set -euo pipefail
PARLEY_BIN=${PARLEY_BIN:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/.build/release/parley}
PORT=${PORT:-17071}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/parley-e2e.XXXXXX")
NODES="1 2 3"
TEST=$(basename "$0" .sh)
passed=0 failed=0
declare -A PID=()

say() { printf '%s: %s\n' "$TEST" "$*"; }
ok() { passed=$((passed + 1)); say "ok: $*"; }
bad() { failed=$((failed + 1)); say "FAILED: $*"; }
# check NAME COMMAND...: the command must succeed
check() { local name=$1; shift; if "$@"; then ok "$name"; else bad "$name"; fi; }
# same NAME WANTED GOT
same() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1: wanted '$2', got '$3'"; fi; }

url() { echo "http://127.0.0.1:$((PORT + $1 - 1))"; }
cluster() { local i list=; for i in $NODES; do list="$list,n$i=$(url "$i")"; done; echo "${list#,}"; }
endpoints() { local i list=; for i in $NODES; do list="$list,$(url "$i")"; done; echo "${list#,}"; }

start() { # start NODE [FLAG...]
    local i=$1; shift
    "$PARLEY_BIN" serve --name "n$i" --listen "127.0.0.1:$((PORT + i - 1))" --data-dir "$WORK/n$i" \
        --cluster "$(cluster)" "$@" </dev/null >>"$WORK/n$i.log" 2>&1 &
    PID[$i]=$!
}
start_all() { local i; for i in $NODES; do start "$i" "$@"; done; }
signal() { kill "-$1" "${PID[$2]}"; }
# Ends a node and waits for it; prints nothing, and its exit code is in STATUS.
end() { STATUS=0; kill "-$1" "${PID[$2]}" 2>/dev/null || true; wait "${PID[$2]}" 2>/dev/null || STATUS=$?; unset "PID[$2]"; }
end_all() { local i; for i in "${!PID[@]}"; do kill -9 "${PID[$i]}" 2>/dev/null || true; done; wait 2>/dev/null || true; PID=(); }

get() { curl -fsS -m 10 "$@"; }
status() { curl -s -m 15 -o /dev/null -w '%{http_code}' "$@" || true; } # 000 if there was no answer
# The number of the node that leads, as the first node that answers knows it: waits for one 10 s, then prints nothing.
leader() {
    local i name until=$((SECONDS + 10))
    while :; do
        for i in $NODES; do
            [ -n "${PID[$i]:-}" ] || continue
            name=$(curl -fs -m 2 "$(url "$i")/leader" 2>/dev/null | jq -r .name 2>/dev/null) || continue
            [ -n "$name" ] && [ "$name" != null ] && [ -n "${PID[${name#n}]:-}" ] && { echo "${name#n}"; return; }
        done
        [ "$SECONDS" -lt "$until" ] || return 0
        sleep 0.1
    done
}
wait_ready() { # until every running node is ready
    local i try
    for i in $NODES; do
        [ -n "${PID[$i]:-}" ] || continue
        for try in $(seq 600); do [ "$(status "$(url "$i")/readyz")" = 200 ] && break; sleep 0.1; done
        [ "$try" -lt 600 ] || { say "node $i is not ready"; tail -5 "$WORK/n$i.log"; return 1; }
    done
}
within() { # within SECONDS COMMAND...: tries the command until it succeeds, for so long at most
    local until=$((SECONDS + $1)); shift
    until "$@"; do [ "$SECONDS" -lt "$until" ] || return 1; sleep 0.2; done
}
kill_leaders() { # kill_leaders ROUNDS: so often kills the leader and starts it again, 1.5 s apart
    local round l
    for ((round = 0; round < $1; round++)); do
        sleep 1.5
        l=$(leader)
        [ -n "$l" ] || continue
        end KILL "$l"
        sleep 1.5
        start "$l"
    done
}
finish() {
    local code=$?
    trap - EXIT
    end_all
    if [ "$code" != 0 ] && [ "$failed" = 0 ]; then failed=1; say "ended with $code"; fi
    if [ "$failed" = 0 ]; then within 10 rm -rf "$WORK"; else say "logs are in $WORK"; tail -n 5 "$WORK"/n*.log 2>/dev/null || true; fi
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}
# What ends a script early is told, with its line.
set -E
trap 'say "line $LINENO ended with $?: $BASH_COMMAND" >&2' ERR
trap finish EXIT
