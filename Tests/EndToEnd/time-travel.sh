#!/usr/bin/env bash
# The past by the clock, differences, and how much history the cluster keeps: on the leader, on a follower, after
# a leader was killed and after a restart from disk.
. "$(dirname "$0")/lib.sh"

code() { curl -s -m 15 "$@" | jq -r .code; }
header() { local name=$1; shift; curl -s -m 15 -o /dev/null -D - "$@" | tr -d '\r' | sed -n "s/^$name: //Ip"; }
instant() { sleep 0.02; date -u +%FT%T.%3NZ; sleep 0.02; }

start_all
wait_ready
P=$(url 1)
get -X PUT "$P/kv/a/x" -d 1 >/dev/null
get -X PUT "$P/kv/a/y" -d 1 >/dev/null
R1=$(header parley-revision "$P/kv/a/y")
T1=$(instant)
get -X PUT "$P/kv/a/x" -d 2 >/dev/null
get -X DELETE "$P/kv/a/y" >/dev/null
get -X PUT "$P/kv/a/z" -d 1 >/dev/null
T2=$(instant)
get -X PUT "$P/kv/a/x" -d 3 >/dev/null

look() { # look WHERE: what each node must say
    local i P
    for i in $NODES; do
        [ -n "${PID[$i]:-}" ] || continue
        P=$(url "$i")
        same "$1, n$i: a key at the first instant" 1 "$(get "$P/kv/a/x?at=$T1")"
        same "$1, n$i: its revision" "$R1" "$(header parley-revision "$P/kv/a/x?at=$T1")"
        same "$1, n$i: a key that was deleted since" 1 "$(get "$P/kv/a/y?at=$T1")"
        same "$1, n$i: a deleted key" key_not_found "$(code "$P/kv/a/y?at=$T2")"
        same "$1, n$i: a list" "a/x a/z" "$(get "$P/kv?prefix=a/&keys&at=$T2" | jq -r '[.items[].key]|join(" ")')"
        same "$1, n$i: a difference" "changed a/x 1>2 deleted a/y 1> added a/z >1" \
            "$(get "$P/diff?prefix=a/&from=$T1&to=$T2" | jq -r '[.items[]|"\(.type) \(.key) \(.old.value//"")>\(.value//"")"]|join(" ")')"
        same "$1, n$i: a history" "put delete" "$(get "$P/kv/a/y?history" | jq -r '[.items[].type]|join(" ")')"
    done
}
look "all run"
same "an instant in the future" future_revision "$(code "$P/kv/a/x?at=2199-01-01T00:00:00Z")"
same "no instant" bad_request "$(code "$P/kv/a/x?at=yesterday")"
same "at and rev" bad_request "$(code "$P/kv/a/x?at=$T1&rev=2")"

export PARLEY_ENDPOINTS; PARLEY_ENDPOINTS=$(endpoints)
same "parley get --at" 1 "$("$PARLEY_BIN" get a/x --at "$T1")"
same "parley diff" $'~ a/x\t2\n- a/y\t1\n+ a/z\t1' "$("$PARLEY_BIN" diff "$T1" "$T2" --prefix a/)"

killed=$(leader)
end 9 "$killed"
for i in $NODES; do [ "$i" = "$killed" ] || P=$(url "$i"); done
for try in $(seq 100); do [ -n "$(leader)" ] && [ "$(status "$P/kv/a/x")" = 200 ] && break; sleep 0.1; done
look "leader killed"
start "$killed"
wait_ready

same "history is bounded for the cluster" 200 \
    "$(status -X PATCH "$P/compaction?min_revisions=5&max_revisions=10&max_age=0")"
for n in $(seq 40); do get -X PUT "$P/kv/b/$((n % 3))" -d "$n" >/dev/null; done
for i in $NODES; do
    same "n$i: the bound" 10 "$(get "$(url "$i")/compaction" | jq .history.max_revisions)"
    same "n$i: compacted" compacted "$(code "$(url "$i")/kv/a/x?at=$T1")"
done
oldest=$(curl -s "$P/kv/a/x?at=$T1" | jq -r .oldest_time)
same "the oldest instant can be read" 200 "$(status "$P/kv/a/x?at=$oldest")"
same "more at least than at most" invalid "$(code -X PATCH "$P/compaction?min_revisions=11")"

for i in $NODES; do end TERM "$i"; done
start_all
wait_ready
same "the bound after a restart" 10 "$(get "$(url 2)/compaction" | jq .history.max_revisions)"
finish
