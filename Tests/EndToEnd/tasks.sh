#!/usr/bin/env bash
# Tasks on three real nodes: claims are handed out once, go on when the leader is killed, and pass from a worker
# that died to another one; 200 tasks are each counted once by three workers with nothing but curl, while a node
# is killed.
source "$(dirname "$0")/lib.sh"

now_ms() { echo $(($(date +%s%N) / 1000000)); }
add() { get -X POST "$(url "$1")/tasks" --json "$2" | jq -r .id; }
code() { curl -s -m 15 -X POST "$@" | jq -r '.code // .state'; }

start_all
wait_ready

# A claim waits for a task that comes over another node.
get -X POST "$(url 2)/tasks/claim?worker=w1&kinds=hello&wait=20s" >"$WORK/waiting" &
waiter=$!
get -X POST "$(url 2)/tasks/claim?worker=w0&kinds=other&wait=20s" >"$WORK/other" &
other=$!
get -X POST "$(url 1)/tasks/claim?worker=w0&wait=20s" >"$WORK/any" &
any=$!
sleep 1
id=$(add 3 '{"kind":"hello","payload":{"n":1}}')
second=$(add 1 '{"kind":"hello"}')
wait "$waiter" "$any"
same "two claims that wait get two tasks" "$(printf '%s\n' "$id" "$second" | sort | xargs)" \
    "$(jq -r .id "$WORK/waiting" "$WORK/any" | sort | xargs)"
check "a claim for another kind gets neither" test ! -s "$WORK/other"
add 2 '{"kind":"other"}' >/dev/null
wait "$other"
same "and is answered by a task of its own" other "$(jq -r .kind "$WORK/other")"

# A finished task answers who waits for it.
id=$(jq -r .id "$WORK/waiting") token=$(jq -r .token "$WORK/waiting")
get "$(url 3)/tasks/$id?wait=20s" >"$WORK/final" &
waiter=$!
sleep 0.5
same "a task is completed on any node" completed "$(code "$(url 1)/tasks/$id/complete?token=$token" -d done)"
wait "$waiter"
same "and its result told to who waits" done "$(jq -r .result "$WORK/final")"

# A dead worker.
id=$(add 1 '{"kind":"long","timeout_ms":1500}')
lost=$(get -X POST "$(url 1)/tasks/claim?worker=dead&kinds=long" | jq -r .token)
began=$(now_ms)
claim=$(get -X POST "$(url 2)/tasks/claim?worker=alive&kinds=long&wait=9s")
took=$(($(now_ms) - began))
token=$(jq -r .token <<<"$claim")
same "a dead worker's task is with another" "$id" "$(jq -r .id <<<"$claim")"
check "within its visibility and a second ($took ms of 1500)" test "$took" -gt 1300 -a "$took" -lt 2500
same "the lost claim is refused" not_holder "$(code "$(url 3)/tasks/$id/complete?token=$lost" -d no)"
same "the present one counts" completed "$(code "$(url 3)/tasks/$id/complete?token=$token" -d yes)"
same "and again, with the same answer" completed "$(code "$(url 1)/tasks/$id/complete?token=$token" -d again)"
same "the first result stays" yes "$(get "$(url 2)/tasks/$id" | jq -r .result)"

# A registered worker's tasks end with its lease.
get -X PUT "$(url 1)/workers/short?ttl=1s&capacity=1" >/dev/null
id=$(add 1 '{"kind":"leased","timeout_ms":60000}')
get -X POST "$(url 1)/tasks/claim?worker=short&kinds=leased" >/dev/null
claim=$(get -X POST "$(url 3)/tasks/claim?worker=alive&kinds=leased&wait=9s")
same "a worker whose lease ended has no tasks" "$id 2" "$(jq -r '"\(.id) \(.attempt)"' <<<"$claim")"

# The leader is killed under a claim.
id=$(add 1 '{"kind":"kept","timeout_ms":30000}')
l=$(leader)
f=$((l % 3 + 1))
claim=$(get -X POST "$(url "$f")/tasks/claim?worker=w&kinds=kept")
end KILL "$l"
done_after() { [ "$(code "$(url "$f")/tasks/$id/complete?token=$(jq .token <<<"$claim")" -d ok)" = completed ]; }
check "a claim outlives the leader" within 15 done_after
start "$l"
wait_ready

# 200 tasks, three workers, one node after the other killed.
count=200
for ((i = 0; i < count; i++)); do
    add $((i % 3 + 1)) "{\"kind\":\"count\",\"payload\":$i,\"timeout_ms\":3000,\"max_attempts\":50}" >/dev/null
done
worker() { # worker NAME FIRST-NODE
    local at=$2 task id token answer
    while [ ! -e "$WORK/stop" ]; do
        task=$(curl -s -m 6 -X POST "$(url "$at")/tasks/claim?worker=$1&kinds=count&wait=2s") || true
        id=$(jq -r '.id // empty' <<<"$task" 2>/dev/null) || id=
        if [ -z "$id" ]; then at=$((at % 3 + 1)); continue; fi
        token=$(jq -r .token <<<"$task")
        while :; do # until the outcome is known
            answer=$(code "$(url "$at")/tasks/$id/complete?token=$token" -d "$1" 2>/dev/null) || answer=
            case $answer in
            completed) echo "$(jq -r .payload <<<"$task")" >>"$WORK/counted.$1"; break ;;
            not_holder | task_not_found) break ;;
            *) at=$((at % 3 + 1)); sleep 0.1 ;;
            esac
        done
    done
}
workers=()
for i in 1 2 3; do worker "worker$i" "$i" & workers+=($!); done
for _ in 1 2; do
    sleep 2
    l=$(leader)
    [ -n "$l" ] || continue
    cat "$WORK"/counted.* 2>/dev/null | wc -l >>"$WORK/at-kill"
    end KILL "$l"
    sleep 1.5
    start "$l"
done
wait_ready
check "a leader was killed in between (after $(xargs <"$WORK/at-kill") of $count)" \
    test "$(head -1 "$WORK/at-kill")" -gt 0 -a "$(head -1 "$WORK/at-kill")" -lt "$count"
all_done() { [ "$(get "$(url 1)/tasks?kind=count&state=completed&limit=1000" | jq '.items | length')" = "$count" ]; }
check "200 tasks are done while leaders are killed" within 90 all_done
touch "$WORK/stop"
wait "${workers[@]}"
cat "$WORK"/counted.* | sort -n >"$WORK/counted"
same "each is counted once" "$(seq 0 $((count - 1)) | xargs)" "$(xargs <"$WORK/counted")"
say "counted by each: $(wc -l "$WORK"/counted.worker* | awk '/worker/ {print $1}' | xargs)"
