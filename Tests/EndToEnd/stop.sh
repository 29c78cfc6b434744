#!/usr/bin/env bash
# SIGTERM under load: the leader hands over at once, nothing fails for good, the process ends by itself with 0.
. "$(dirname "$0")/lib.sh"
start_all
wait_ready
for round in 1 2 3; do
    l=$(leader)
    other=$((l % 3 + 1))
    for w in 1 2 3 4; do
        (
            for n in $(seq 60); do
                code=$(status -X PUT "$(url $other)/kv/s$round-$w-$n" -d x)
                [ "$code" = 201 ] || echo "$code" >>"$WORK/failures"
            done
        ) &
        writers="${writers:-} $!"
    done
    sleep 0.1
    term=$(get "$(url $other)/leader" | jq .term)
    began=$(date +%s%N)
    signal TERM "$l"
    for _ in $(seq 200); do
        answer=$(curl -fs -m 1 "$(url $other)/leader" || true)
        [ -n "$answer" ] && [ "$(jq .term <<<"$answer")" -gt "$term" ] && break
        sleep 0.005
    done
    handed=$((($(date +%s%N) - began) / 1000000))
    STATUS=0
    wait "${PID[$l]}" || STATUS=$?
    unset "PID[$l]"
    same "exit code of n$l" 0 "$STATUS"
    check "n$l handed over in $handed ms" [ "$handed" -lt 500 ]
    wait $writers
    writers=
    start "$l"
    wait_ready
done
same "writes through another node that failed" "" "$(sort "$WORK/failures" 2>/dev/null | uniq -c | tr '\n' ' ')"
