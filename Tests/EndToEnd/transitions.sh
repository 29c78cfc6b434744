#!/usr/bin/env bash
# The algorithms, told as states, guarded steps and messages; and every step that the nodes take.
. "$(dirname "$0")/lib.sh"
start_all --enable-faults
wait_ready

# What they are.
get "$(url 1)/spec" >"$WORK/spec"
same "the algorithms" "raft membership link clock event broadcast lease lock election semaphore task" "$(jq -r '.items[].name' "$WORK/spec" | xargs)"
same "each begins somewhere" 11 "$(jq '[.items[] | select([.states[] | select(.initial)] | length == 1)] | length' "$WORK/spec")"
same "one alone" leader "$(get "$(url 2)/spec/raft" | jq -r '.transitions[] | select(.cause == "election_won").to')"
same "one that is none" 404 "$(status "$(url 1)/spec/paxos")"

# told NODE QUERY [FILTER]: the steps that a node took, as "from>to cause".
told() { get "$(url "$1")/transitions?wait=0s&$2" | jq -r "select(${3:-true}) | .from + \">\" + .to + \" \" + .cause"; }
tells() { told "$1" "$2" "${4:-true}" | grep -qxF "$3"; }
l=$(leader)
f=$((l % 3 + 1))
check "the leader tells of its election" tells "$l" algorithm=raft "candidate>leader election_won"
check "a follower found it" tells "$f" algorithm=raft "follower>follower leader_found"
same "a link is not made before it is used" "" "$(told "$l" algorithm=link)"
for i in $NODES; do get -X POST "$(url "$i")/broadcast?abstraction=reliable" -d hello >/dev/null; done
connected() { [ "$(told "$1" algorithm=link | sort | uniq -c | awk '{print $2, $3, $1}')" = "unknown>connected answered 2" ]; }
for i in $NODES; do check "n$i is connected with both others" within 10 connected "$i"; done

# Every step that a node tells is one that it states.
stated() {
    local told
    told=$(get "$(url "$1")/transitions?wait=0s" | jq -r '"\(.algorithm): \(.from)>\(.to) \(.cause)"' | sort -u)
    [ -n "$told" ] || return 1
    comm -23 <(echo "$told") <(jq -r '.items[] | .name as $n | .transitions[] | "\($n): \(.from)>\(.to) \(.cause)"' "$WORK/spec" | sort -u) >"$WORK/unstated"
    [ ! -s "$WORK/unstated" ]
}

# Leases and locks, the same on every node.
get -X POST "$(url "$f")/leases?ttl=2s&id=short" >/dev/null
token=$(get -X POST "$(url "$l")/locks/cron/acquire?owner=a&ttl=60s" | jq .token)
get -X POST "$(url "$f")/locks/cron/acquire?owner=b&ttl=60s&wait=20s" >"$WORK/b" &
waiter=$!
queued() { tells "$1" "algorithm=lock&subject=cron" "outside>waiting queued" '.owner == "b"'; }
for i in $NODES; do check "n$i tells that b waits" within 5 queued "$i"; done
get -X POST "$(url "$l")/locks/cron/release?token=$token" >/dev/null
wait "$waiter"
in_turn() { [ "$(told "$1" "algorithm=lock&subject=cron" | xargs)" = "outside>holding granted outside>waiting queued holding>outside released waiting>holding turn" ]; }
for i in $NODES; do check "n$i tells the lock's whole story" within 5 in_turn "$i"; done
same "with the token that b was given" "$(jq .token "$WORK/b")" "$(get "$(url "$l")/transitions?algorithm=lock&wait=0s" | jq 'select(.cause == "turn").token')"
expired() { tells "$1" "algorithm=lease&subject=short" "running>absent expired"; }
for i in $NODES; do check "n$i tells that a lease expired" within 10 expired "$i"; done
sorted() { get "$(url "$1")/transitions?wait=0s" | jq -r .hlc >"$WORK/hlc" && [ -s "$WORK/hlc" ] && sort -uc "$WORK/hlc"; }
for i in $NODES; do check "n$i: each step has a later clock than the one before" sorted "$i"; done

# A stream, and going on where one stopped.
curl -sN -m 30 -H 'Accept: text/event-stream' "$(url "$f")/transitions?algorithm=lease&subject=watched&max=2" >"$WORK/stream" &
stream=$!
sleep 0.3
get -X POST "$(url "$l")/leases?ttl=60s&id=watched" >/dev/null
get -X DELETE "$(url "$l")/leases/watched" >/dev/null
wait "$stream" || bad "the stream ended with $?"
same "a stream tells as it happens" "granted revoked" "$(grep '^data: ' "$WORK/stream" | cut -c7- | jq -r .cause | xargs)"
first=$(grep '^id: ' "$WORK/stream" | head -n 1 | cut -c5-)
same "and goes on after the first" revoked "$(curl -sN -m 5 -H "Last-Event-ID: $first" "$(url "$f")/transitions?algorithm=lease&subject=watched&max=1" | jq -r .cause)"
same "after what is not known, all is told, and that some were missed" "null granted" "$(curl -sN -m 5 "$(url "$f")/transitions?algorithm=lease&subject=watched&after=1-1&max=1" | jq -r .cause | xargs)"

# A node that is cut off: suspicion, an election, and what comes after it.
get -X POST "$(url "$l")/faults/partition?ttl=20s" --json "{\"groups\":[[\"n$l\"],[$(for i in $NODES; do [ "$i" = "$l" ] || printf '"n%s" ' "$i"; done | xargs | sed 's/\(n.\) \(n.\)/"\1","\2"/')]]}" >/dev/null
check "the leader heard no quorum" within 15 tells "$l" algorithm=raft "leader>follower quorum_lost"
suspected() { told "$f" "algorithm=membership&subject=n$l" | grep -q "alive>suspect"; }
check "it is suspected" within 20 suspected
for i in $NODES; do get -X DELETE "$(url "$i")/faults" >/dev/null; done
heard() { tells "$l" algorithm=raft "follower>follower leader_found" '.term > 1' || tells "$l" algorithm=raft "preCandidate>follower leader_found"; }
check "afterwards it hears the new leader" within 20 heard
whole() { [ "$(get "$(url "$f")/gossip" | jq -r '[.members[] | select(.state != "alive")] | length')" = 0 ]; }
check "and is alive for the others" within 30 whole

# A process that is killed: the links of the others tell of its next one, and its own steps begin anew.
end 9 "$f"
start "$f" --enable-faults
wait_ready
get -X POST "$(url "$f")/broadcast?abstraction=reliable" -d "back again" >/dev/null
restarted() { tells "$l" "algorithm=link&subject=n$f" "connected>connected restarted"; }
check "the link tells of the new process" within 20 restarted
reborn() { told "$l" "algorithm=membership&subject=n$f" | grep -qE ">alive restarted"; }
check "membership, too" within 20 reborn
same "an id of the last process is not known to the next" "null" "$(curl -sN -m 5 "$(url "$f")/transitions?after=$first&max=1" | head -n 1 | jq -r .cause)"
for i in $NODES; do check "n$i told nothing but what is stated" stated "$i"; done

same "the number of streams and what they ask for is checked" "400 400 400" "$(status "$(url 1)/transitions?algorithm=paxos") $(status "$(url 1)/transitions?after=x") $(status "$(url 1)/transitions?max=0")"
