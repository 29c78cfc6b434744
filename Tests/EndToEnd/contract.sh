#!/usr/bin/env bash
# The lines for coordination that the interface promises, as people would type them: on the leader, on a follower, and
# on a follower while the leader is killed. Each line uses names of its own, so that it finds nothing of the others.
. "$(dirname "$0")/lib.sh"
start_all
wait_ready
cd "$WORK"
USER=me HOSTNAME=here

# soon COMMAND...: the command succeeds within ten seconds
soon() { local _; for _ in $(seq 200); do "$@" && return; sleep 0.05; done; return 1; }
# quiet COMMAND...: without what it prints
quiet() { "$@" >/dev/null 2>&1; }
jq_is() { [ "$(curl -s -m 5 "$2" | jq -r "$1")" = "$3" ]; } # jq_is FILTER URL WANTED
end_job() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null || true; }

# What a line leaves is looked at from the node beside it, when the line was done on its own.
# line NAME: runs the function of that name in the present setting: before the line the leader dies where it is to.
line() {
    K="$1-$HOW"
    if [ "$HOW" = kill ]; then
        l=$(leader)
        P=$(url $((l % 3 + 1))) Q=$(url $(((l + 1) % 3 + 1)))
        prepare "$1"
        end KILL "$l"
    else
        prepare "$1"
    fi
    check "$1: $HOW" "$1"
    if [ "$HOW" = kill ]; then start "$l"; wait_ready; fi
}
# prepare NAME: what a line needs to be there beforehand
prepare() { if declare -F "before_$1" >/dev/null; then "before_$1" >/dev/null; fi; }

before_transaction() { curl -s -X PUT "$P/kv/$K/a" -d 10; }
transaction() {
    curl -sf "$P/txn" --json '{"if":[{"key":"'"$K"'/a","value":"10"}],"then":[{"put":{"key":"'"$K"'/a","value":"5"}},{"put":{"key":"'"$K"'/b","value":"5"}}]}' |
        jq -e '.succeeded' >/dev/null
    [ "$(curl -s "$Q/kv/$K/a")$(curl -s "$Q/kv/$K/b")" = 55 ]
}
guards() { # without `else`, curl -f fails
    local code=0
    curl -sf "$P/txn" --json '{"if":[{"key":"'"$K"'/a","value":"10"}],"then":[{"put":{"key":"'"$K"'/a","value":"5"}}]}' || code=$?
    [ "$code" = 22 ] && [ "$(curl -s -o /dev/null -w '%{http_code}' "$Q/kv/$K/a")" = 404 ]
}

# A stream that began before the leader died goes on after.
before_watch() {
    curl -sN -m 20 "$P/watch?prefix=$K/&max=2" | while read -r l; do jq -r '.events[]?|"\(.type) \(.key)=\(.value)"' <<<"$l"; done >"$K.watched" & watched=$!
    soon jq_is .revision "$P/kv?prefix=$K/&count" "$(curl -s "$Q/kv?prefix=$K/&count" | jq .revision)"
    sleep 0.2
}
watch() {
    curl -sf -X PUT "$P/kv/$K/db" -d 1
    curl -sf -X PUT "$Q/kv/$K/db" -d 2
    wait "$watched"
    [ "$(xargs <"$K.watched")" = "put $K/db=1 put $K/db=2" ]
} >/dev/null
before_events() { first=$(curl -s -X PUT "$P/kv/$K" -d 1 | jq .revision); }
events() {
    curl -s -o /dev/null -X PUT "$Q/kv/$K" -d 2
    curl -sN -m 10 -H 'Accept: text/event-stream' -H "Last-Event-ID: $first" "$P/watch?key=$K&max=1" >"$K.events"
    grep -q '"value":"2"' "$K.events" && grep -q '^id: ' "$K.events"
}

lease() {
    local L
    L=$(curl -sX POST "$P/leases?ttl=30s" | jq -r .id); curl -X PUT "$P/kv/$K/$HOSTNAME?lease=$L" -d up; curl -X POST $P/leases/$L/renew
    jq_is '.keys[0]' "$Q/leases/$L?keys" "$K/$HOSTNAME" || return 1
    curl -sf -X DELETE "$Q/leases/$L"
    [ "$(curl -s -o /dev/null -w '%{http_code}' "$P/kv/$K/$HOSTNAME")" = 404 ]
} >/dev/null 2>&1
lease_held() {
    local held
    curl -sN -X POST "$P/leases?ttl=2s&hold&id=$K" >"$K.held" & held=$!
    soon test -s "$K.held"
    curl -sf -X PUT "$P/kv/alive/$K?lease=$K" -d up
    sleep 3
    [ "$(curl -s "$Q/kv/alive/$K")" = up ] || return 1
    end_job "$held"
    soon gone "$Q/kv/alive/$K"
} >/dev/null
gone() { [ "$(curl -s -o /dev/null -w '%{http_code}' "$1")" = 404 ]; }

lock_held() {
    local C
    curl -sN -X POST "$P/locks/$K/acquire?owner=$USER&wait=1h&hold" >"$K.got" & C=$!; until [ -s "$K.got" ]; do sleep .1; done
    jq_is .holder.owner "$Q/locks/$K" me || return 1
    end_job "$C"
    soon jq_is .held "$Q/locks/$K" false
}
lock_fences() {
    local T
    echo it >out
    T=$(curl -sf -X POST "$P/locks/$K/acquire?ttl=60s" | jq .token) && curl -sf -X PUT "$P/kv/$K?fence=$K:$T" -T out && curl -sf -X POST "$P/locks/$K/release?token=$T" || return 1
    [ "$(curl -s -X PUT "$Q/kv/$K?fence=$K:$T" -d late | jq -r .code)" = fence_stale ] && [ "$(curl -s "$Q/kv/$K")" = it ]
} >/dev/null

before_election() { curl -sN -m 30 "$P/elections/$K/watch" >"$K.seen" & watched=$!; soon test -s "$K.seen"; }
election() {
    local held
    curl -sN -X POST "$P/elections/$K/campaign?candidate=$HOSTNAME&wait=24h&hold" >"$K.won" & held=$!
    soon test -s "$K.won" && soon jq_is .leader.candidate "$Q/elections/$K" here || return 1
    end_job "$held"
    soon gone "$Q/elections/$K" || return 1
    soon grep -q '"here"' "$K.seen" || return 1
    end_job "$watched"
}

semaphore() {
    local held
    curl -sf -X PUT "$P/semaphores/$K?permits=2" >/dev/null; curl -sN -X POST "$P/semaphores/$K/acquire?wait=1h&hold" >"$K.permits" & held=$!
    soon test -s "$K.permits"
    jq_is .available "$Q/semaphores/$K" 1 || return 1
    end_job "$held"
    soon jq_is .available "$Q/semaphores/$K" 2
}
barrier() {
    local jobs=() i
    for i in 1 2 3; do curl -s -X POST "$P/barriers/$K/arrive?member=w$i&parties=3&wait=60s" >"$K.$i" & jobs+=($!); done; wait "${jobs[@]}"
    [ "$(jq -s 'map(.released) | all' "$K".[123])" = true ]
}
queue() {
    local R
    curl -sf "$P/queues/$K" -d 'hello' >/dev/null
    curl -s -i -X POST "$Q/queues/$K/receive?wait=20s" | tr -d '\r' >"$K.message"
    [ "$(tail -n 1 "$K.message")" = hello ] || return 1
    R=$(awk '/^Parley-Receipt/ { print $2 }' "$K.message")
    curl -sf -X POST "$P/queues/$K/ack?receipt=$R" >/dev/null && jq_is '"\(.ready) \(.in_flight)"' "$Q/queues/$K" "0 0"
}
# A message and what it leads to, at once.
before_queue_transaction() {
    curl -s "$P/queues/$K" -d 'job'
    R=$(curl -s -i -X POST "$P/queues/$K/receive" | tr -d '\r' | awk '/^Parley-Receipt/ { print $2 }')
}
queue_transaction() {
    curl -sf "$P/txn" --json '{"then":[{"ack":{"queue":"'"$K"'","receipt":"'"$R"'"}},{"put":{"key":"'"$K"'","value":"done"}},{"enqueue":{"queue":"'"$K"'-next","body":"more"}}]}' >/dev/null || return 1
    jq_is .in_flight "$Q/queues/$K" 0 && [ "$(curl -s "$Q/kv/$K")" = "done" ] && [ "$(curl -s -X POST "$Q/queues/$K-next/receive")" = more ]
}

outcome() {
    local id
    [ "$(curl -s -X POST -H "Idempotency-Key: $K" "$P/kv/$K?op=incr" | jq -r .value)" = 1 ] || return 1
    curl -s -D "$K.head" -X POST -H "Idempotency-Key: $K" "$Q/kv/$K?op=incr" | jq -e '.value == "1" or .value == 1' >/dev/null || return 1
    id=$(tr -d '\r' <"$K.head" | awk 'tolower($1) == "parley-request-id:" { print $2 }')
    [ "$(curl -s "$Q/kv/$K")" = 1 ] && curl -sf "$P/requests/$id" >/dev/null
}

LINES="transaction guards watch events lease lease_held lock_held lock_fences election semaphore barrier queue queue_transaction outcome"
for HOW in leader follower kill; do
    l=$(leader)
    if [ "$HOW" = leader ]; then P=$(url "$l"); else P=$(url $((l % 3 + 1))); fi
    Q=$(url $(((l + 1) % 3 + 1)))
    for name in $LINES; do line "$name"; done
done
