#!/usr/bin/env bash
# The README's main command as it stands there: a cluster that prints its curl lines; each of them is pasted and must
# work; Ctrl-C ends it cleanly, and the data are there at the next start.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.."
command=$(sed -n '/<!-- run -->/,/^```$/p' README.md | grep -v '^<!--\|^```')
check "the README has a main command" [ -n "$command" ]
check "and it is one line" [ "$(wc -l <<<"$command")" = 1 ]

run() { # in the background, on other ports and in another folder than a user's own
    bash -c "${command/parley dev/parley dev --port $PORT --data-dir $WORK/dev}" </dev/null >"$WORK/n-dev.log" 2>&1 &
    RUN=$!
    for _ in $(seq 3000); do
        grep -q 'Ctrl-C' "$WORK/n-dev.log" 2>/dev/null && return 0
        kill -0 "$RUN" 2>/dev/null || break
        sleep 0.2
    done
    say "it did not come up"
    cat "$WORK/n-dev.log"
    return 1
}
stop() { # to the program itself, as the terminal would send it
    local parley
    parley=$(pgrep -f "parley dev --port $PORT" | head -1)
    kill -INT "$parley"
    wait "$RUN" && STATUS=0 || STATUS=$?
}
run
same "lines to paste" 6 "$(grep -c '^ *curl ' "$WORK/n-dev.log")"
while IFS= read -r line; do
    check "pasted: $line" bash -c "${line/curl /curl -fsS -m 10 } >/dev/null"
done < <(grep -o 'curl .*' "$WORK/n-dev.log")
stop
same "it ends cleanly on Ctrl-C" 0 "$STATUS"
check "and says where the data are" grep -q "$WORK/dev" "$WORK/n-dev.log"
run
same "the data of the first run are there" hello "$(get "$(url 1)/kv/greeting")"
stop
