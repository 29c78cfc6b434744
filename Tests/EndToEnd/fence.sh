#!/usr/bin/env bash
# Fenced writes: whoever lost its lock writes no more, on whichever node it tries, also while leaders die.
. "$(dirname "$0")/lib.sh"

start_all
wait_ready
l=$(leader)
a=$(url $((l % 3 + 1))) b=$(url $(((l + 1) % 3 + 1)))
post() { curl -s -m 20 -X POST "$@"; }
code() { curl -s -m 20 "$@" | jq -r '.code // "none"'; }

# A holder that sleeps through its lease.
old=$(post "$a/locks/report/acquire?owner=a&ttl=1s" | jq .token)
same "a holder writes" 201 "$(status -X PUT "$b/kv/report?fence=report:$old" -d one)"
new=$(post "$b/locks/report/acquire?owner=b&ttl=60s&wait=20s" | jq .token)
check "its lease ends, and the next one has a greater token" [ "$new" -gt "$old" ]
same "its write on a follower is refused, by name" "[\"fence_stale\",\"report\",$old,$new]" \
    "$(curl -s -X PUT "$a/kv/report?fence=report:$old" -d late | jq -c '[.code,.name,.token,.current_token]')"
same "so it is on the leader" 412 "$(status -X PUT "$(url "$l")/kv/report" -H "Parley-Fence: report=$old" -d late)"
same "nothing was written" one "$(get "$b/kv/report")"
same "the new holder writes" 200 "$(status -X PUT "$a/kv/report" -H "Parley-Fence: report=$new" -d two)"

# Every kind of write.
stale=(-H "Parley-Fence: report=$old")
same "a deletion" fence_stale "$(code -X DELETE "$a/kv/report" "${stale[@]}")"
same "a deletion of a range" fence_stale "$(code -X DELETE "$a/kv?prefix=report" "${stale[@]}")"
same "an addition" fence_stale "$(code -X POST "$b/kv/count?op=incr" "${stale[@]}")"
same "a transaction" fence_stale "$(code "$b/txn" "${stale[@]}" -d '{"then":[{"put":{"key":"t","value":"1"}}]}')"
same "an import" fence_stale "$(code "$a/kv" "${stale[@]}" -d '{"key":"i","value":"1"}')"
same "a message" fence_stale "$(code "$a/queues/mail" "${stale[@]}" -d hello)"
same "none of them has left anything" '[404,404,404,404]' "[$(for k in kv/count kv/t kv/i queues/mail; do status "$b/$k"; echo; done | paste -sd,)]"

# The command line.
put() { "$PARLEY_BIN" put --endpoints "$a" report "$@" >"$WORK/out" 2>&1; }
check "parley put with the current token" put three --fence "report:$new"
put late --fence "report:$old" && bad "parley put with a stale token" || same "parley put with a stale one exits with" 4 "$?"

# An outcome is kept under its idempotency key, whatever becomes of the lock afterwards.
once=(-X PUT "$a/kv/once?fence=report:$new" -H 'Idempotency-Key: fenced-1' -d x)
same "a fenced write with a key" 201 "$(status "${once[@]}")"
post "$b/locks/report/release?token=$new" >/dev/null
same "told again after the lock was given back" 'true' "$(curl -s -D - -o /dev/null "${once[@]}" | tr -d '\r' | awk 'tolower($1) == "idempotent-replayed:" { print $2 }')"
same "a first one then is refused" 412 "$(status -X PUT "$b/kv/once?fence=report:$new" -d y)"

# Holders that take turns while leaders die: each adds to its own count behind its own token, again and again, and tries once
# more after the next one has the lock. What was refused was never made, so the counts of all are what they were told.
token=$(post "$a/locks/turn/acquire?owner=0&ttl=10m" | jq .token)
wrong='' told=0
for i in $(seq 6); do
    n=$(url $((i % 3 + 1)))
    for try in $(seq 50); do
        c=$(curl -s -m 10 -o /dev/null -w '%{http_code}' -X POST "$n/kv/turn?op=incr&fence=turn:$token" -H "Idempotency-Key: turn-$i") || c=000
        [ "$c" = 200 ] && { told=$((told + 1)); break; }
        sleep 0.2
    done
    last=$token token=''
    if [ "$i" = 2 ] || [ "$i" = 4 ]; then l=$(leader); end KILL "$l"; start "$l"; fi
    for try in $(seq 50); do
        # Taken from whoever has it: an answer that was lost may have been a token.
        curl -s -m 10 -o /dev/null -X DELETE "$n/locks/turn" || true
        token=$(curl -s -m 10 -X POST "$n/locks/turn/acquire?owner=$i&ttl=10m" | jq '.token // empty') || true
        [ -n "$token" ] && break
        sleep 0.2
    done
    for try in $(seq 50); do
        c=$(curl -s -m 10 -o /dev/null -w '%{http_code}' -X POST "$(url $(((i + 1) % 3 + 1)))/kv/turn?op=incr&fence=turn:$last") || c=000
        case $c in 412) break ;; 200) wrong="$wrong $i" ; break ;; esac
        sleep 0.2
    done
    [ "$c" = 412 ] || wrong="$wrong $i:$c"
done
wait_ready
same "no holder of the past has written over two dead leaders" "" "$wrong"
same "and every holder of the present has" 6 "$(get "$a/kv/turn")"
same "as it was told" 6 "$told"
