#!/usr/bin/env bash
# Outcomes that can always be known: idempotency keys and requests, on every node, across restarts, across the death of
# a leader, and for writes whose answer was lost.
. "$(dirname "$0")/lib.sh"

start_all
wait_ready
l=$(leader)
a=$(url $((l % 3 + 1))) b=$(url $(((l + 1) % 3 + 1)))

first=$(curl -s -X POST -H 'Idempotency-Key: n1' "$a/kv/n?op=incr")
same "a repeat on another node gets the first answer" "$first" "$(curl -s -X POST -H 'Idempotency-Key: n1' "$b/kv/n?op=incr")"
same "and says so" true "$(curl -s -o /dev/null -D - -X POST -H 'Idempotency-Key: n1' "$b/kv/n?op=incr" | tr -d '\r' | awk '/^Idempotent-Replayed/ { print $2 }')"
same "it was carried out once" 1 "$(get "$b/kv/n")"
same "the key of another request" 422 "$(status -X PUT -H 'Idempotency-Key: n1' "$a/kv/n" -d 2)"
same "a request by its key" applied "$(get "$b/requests/key:n1" | jq -r .outcome)"

id=$(curl -s -o /dev/null -D - -X PUT "$a/kv/b" -d 1 | tr -d '\r' | awk '/^Parley-Request-Id/ { print $2 }')
same "a request by its id" '["applied",201]' "$(get "$b/requests/$id" | jq -c '[.outcome,.status]')"
id=$(curl -s -X PUT "$a/kv/b?if_absent" -d 1 | jq -r '.instance | ltrimstr("/requests/")')
same "a refused one" '["rejected",412]' "$(get "$b/requests/$id" | jq -c '[.outcome,.status]')"

same "a request that is cancelled before it comes" never "$(curl -s -X POST "$a/requests/key:late/cancel" | jq -r .outcome)"
same "never happens" request_cancelled "$(curl -s -X PUT -H 'Idempotency-Key: late' "$b/kv/late" -d 1 | jq -r .code)"
same "nor has it left anything" 404 "$(status "$b/kv/late")"

# A client repeats each increment until it is answered, while leaders die: each counts once.
STOP=$WORK/stop
(
    i=0
    while [ ! -e "$STOP" ]; do
        i=$((i + 1))
        for try in $(seq 100); do
            code=$(curl -s -m 3 -o /dev/null -w '%{http_code}' -X POST -H "Idempotency-Key: count-$i" "$(url $((RANDOM % 3 + 1)))/kv/count?op=incr&timeout=1s") || code=000
            [ "$code" = 200 ] && break
            sleep 0.1
        done
        echo "$i" >"$WORK/count"
    done
) & CLIENT=$!
kill_leaders 3
sleep 1
touch "$STOP"
wait "$CLIENT"
wait_ready
same "$(cat "$WORK/count") increments, three dead leaders: each counted once" "$(cat "$WORK/count")" "$(get "$(url 1)/kv/count")"

# A write whose outcome nobody told: cancelling makes it certain, one way or the other.
l=$(leader)
f=$((l % 3 + 1)) g=$(((l + 1) % 3 + 1))
definite=0
for i in $(seq 10); do
    curl -s -m 5 -o /dev/null -X PUT -H "Idempotency-Key: unsure-$i" "$(url "$f")/kv/unsure/$i?timeout=1ms" -d 1 || true
    outcome=$(curl -s -X POST "$(url "$g")/requests/key:unsure-$i/cancel" | jq -r .outcome)
    code=$(status "$(url "$f")/kv/unsure/$i")
    case "$outcome $code" in "applied 200" | "never 404") definite=$((definite + 1)) ;; *) say "unsure-$i: $outcome, then $code" ;; esac
done
sleep 1
for i in $(seq 10); do
    outcome=$(get "$(url "$f")/requests/key:unsure-$i" | jq -r .outcome)
    code=$(status "$(url "$g")/kv/unsure/$i")
    case "$outcome $code" in "applied 200" | "never 404") ;; *) definite=0; say "later unsure-$i: $outcome, then $code" ;; esac
done
same "writes given up after a millisecond have certain outcomes" 10 "$definite"

for i in $NODES; do end KILL "$i"; done
start_all
wait_ready
same "after a restart of all nodes the key is still known" "$first" "$(curl -s -X POST -H 'Idempotency-Key: n1' "$(url 2)/kv/n?op=incr")"
