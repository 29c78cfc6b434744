#!/usr/bin/env bash
# Nodes killed with SIGKILL under load: the leader, a follower, all three at once. Whatever was acknowledged must be
# there afterwards, on every node; whatever was refused with "applied":"no" must not.
. "$(dirname "$0")/lib.sh"

# writer NAME: writes unique keys to the nodes in turn until $WORK/stop exists; notes each key under its outcome.
writer() {
    local count=0 node code key
    while [ ! -e "$WORK/stop" ]; do
        count=$((count + 1)) node=$((count % 3 + 1)) key="load/$1-$count"
        code=$(curl -s -m 8 -o "$WORK/$1.answer" -w '%{http_code}' -X PUT "$(url $node)/kv/$key" -d "$key" 2>/dev/null) || true
        case $code in
        200 | 201) echo "$key" >>"$WORK/$1.acked" ;;
        503) grep -q '"applied":"no"' "$WORK/$1.answer" && echo "$key" >>"$WORK/$1.refused" ;;
        esac
    done
}
load_for() { # load_for SECONDS: six writers beside what the test does
    rm -f "$WORK/stop"
    local w
    WRITERS=
    for w in 1 2 3 4 5 6; do writer "$1$w" & WRITERS="$WRITERS $!"; done
}
end_load() { touch "$WORK/stop"; wait $WRITERS 2>/dev/null || true; }

verify() { # verify PHASE
    local i acked missing wrong
    cat "$WORK"/*.acked 2>/dev/null | sort >"$WORK/acked"
    cat "$WORK"/*.refused 2>/dev/null | sort >"$WORK/refused" || true
    acked=$(wc -l <"$WORK/acked")
    for i in $NODES; do
        get -H 'Accept: application/x-ndjson' "$(url "$i")/kv?prefix=load/" | jq -r 'select(.key) | select(.key == .value) | .key' | sort >"$WORK/found.$i"
        missing=$(comm -23 "$WORK/acked" "$WORK/found.$i" | wc -l)
        wrong=$(comm -12 "$WORK/refused" "$WORK/found.$i" | wc -l)
        same "$1: acknowledged writes missing on n$i (of $acked)" 0 "$missing"
        same "$1: refused writes that took effect, seen on n$i" 0 "$wrong"
    done
    check "$1: something was written" [ "$acked" -gt 100 ]
}

start_all
wait_ready
load_for a
sleep 1
for round in 1 2 3; do
    l=$(leader)
    say "killing leader n$l"
    end 9 "$l"
    sleep 2
    start "$l"
    sleep 2
done
end_load
wait_ready
verify "leader killed three times"

load_for b
sleep 1
l=$(leader); f=$((l % 3 + 1))
say "killing follower n$f"
end 9 "$f"
sleep 2
start "$f"
sleep 1
end_load
wait_ready
verify "follower killed"

load_for c
sleep 2
say "killing all three"
for i in $NODES; do kill -9 "${PID[$i]}"; done
for i in $NODES; do wait "${PID[$i]}" 2>/dev/null || true; done
start_all
sleep 2
end_load
wait_ready
verify "all killed at once"
