#!/usr/bin/env bash
# `parley lock NAME -- COMMAND` and its like: the command runs while it is held, and only then, whatever dies.
. "$(dirname "$0")/lib.sh"
export PARLEY_ENDPOINTS; PARLEY_ENDPOINTS=$(endpoints)
start_all
wait_ready
cd "$WORK"

# The exit code of a process that was started here, once it has ended, in CODE.
ended() { CODE=0; wait "$1" 2>/dev/null || CODE=$?; }
code() { local got=0; "$@" >/dev/null 2>&1 </dev/null || got=$?; echo "$got"; }
soon() { local _; for _ in $(seq 300); do "$@" && return; sleep 0.05; done; return 1; }
held() { [ "$(curl -s -m 5 "$(url "${2:-1}")/locks/$1" | jq .held)" = true ]; }
free() { [ "$(curl -s -m 5 "$(url "${2:-1}")/locks/$1" | jq .held)" = false ]; }

same "the command's exit code is passed on" 7 "$(code "$PARLEY_BIN" lock a -- sh -c 'exit 7')"
same "so is its success" 0 "$(code "$PARLEY_BIN" lock a -- true)"
same "a command that is not there" 127 "$(code "$PARLEY_BIN" lock a -- no-such-command)"
same "a command that can't be run" 126 "$(code "$PARLEY_BIN" lock a -- /etc/passwd)"
same "no command" 2 "$(code "$PARLEY_BIN" lock a)"
check "the lock is free again" free a
same "the command knows what it holds" "a a" "$("$PARLEY_BIN" lock a -- sh -c 'echo "$PARLEY_LOCK ${PARLEY_FENCE%=*}"')"
T=$("$PARLEY_BIN" lock a -- sh -c 'echo $PARLEY_TOKEN')
check "and its token, which grows" [ "$("$PARLEY_BIN" lock a -- sh -c 'echo $PARLEY_TOKEN')" -gt "$T" ]

# Two never run at a time.
one() { for _ in 1 2 3 4 5; do "$PARLEY_BIN" lock both --wait 1m -- sh -c 'mkdir in || echo overlap; sleep 0.1; rmdir in'; done; }
one >overlap.1 2>&1 & A=$!
one >overlap.2 2>&1 & B=$!
wait "$A" "$B"
same "two never run at a time" "" "$(cat overlap.1 overlap.2)"

"$PARLEY_BIN" lock busy --ttl 4s -- sleep 30 & HOLDER=$!
soon held busy
same "who does not get it in time" 75 "$(code "$PARLEY_BIN" lock busy --wait 1s -- touch ran)"
check "does not run" [ ! -e ran ]
kill -TERM "$HOLDER"
ended "$HOLDER"
same "a signal ends the command" 143 "$CODE"
check "and the lock is free at once" free busy

# A waiter that is told to end leaves the queue.
"$PARLEY_BIN" lock busy -- sleep 30 & HOLDER=$!
soon held busy
"$PARLEY_BIN" lock busy -- touch ran & WAITER=$!
queue_is() { [ "$(curl -s "$(url 2)/locks/busy" | jq '.queue | length')" = "$1" ]; }
check "a waiter is in the queue" soon queue_is 1
kill -INT "$WAITER"
ended "$WAITER"
same "who waits ends on a signal" 130 "$CODE"
check "and leaves the queue" soon queue_is 0

# The death of the leader, and of the node that was asked, does not disturb the command; nor those who wait.
"$PARLEY_BIN" lock busy -- sh -c 'echo next >next' & WAITER=$!
soon queue_is 1
l=$(leader)
# Two watches that begin at different nodes, one of them with the one that is to die.
watched() { jq -r '.holder.owner // "-"' "$WORK/watched.$1" | uniq | wc -l; }
for i in 1 2; do PARLEY_ENDPOINTS=$(url $(((l + i - 2) % 3 + 1))),$PARLEY_ENDPOINTS "$PARLEY_BIN" lock watch busy >"watched.$i" & WATCHERS[i]=$!; done
for i in 1 2; do check "a watch tells who has it" soon test -s "watched.$i"; done
end KILL "$l"
sleep 3
o=$((l % 3 + 1))
check "it is still held when the leader is dead" held busy "$o"
check "and the command runs" kill -0 "$HOLDER"
kill -TERM "$HOLDER"; wait "$HOLDER" 2>/dev/null || true
check "the waiter has it next" soon test -e next
ended "$WAITER"
same "and succeeds" 0 "$CODE"
last_is_free() { [ "$(tail -n 1 "watched.$1" | jq .held)" = false ]; }
for i in 1 2; do
    check "a watch goes on when the leader is dead, up to the last state" soon last_is_free "$i"
    same "it told of all who had it" 3 "$(watched "$i")"
    same "and no state twice" "" "$(uniq -d "watched.$i")"
    kill "${WATCHERS[i]}"; wait "${WATCHERS[i]}" 2>/dev/null || true
done
same "one who leads, once" null "$("$PARLEY_BIN" elect watch nobody --max 1 | jq .leader)"
same "a watch of no states" 2 "$(code "$PARLEY_BIN" lock watch busy --max 0)"
start "$l"
wait_ready

# Killed, it can give nothing back: the lease's time does.
"$PARLEY_BIN" lock orphan --ttl 2s -- sleep 3 & HOLDER=$!
soon held orphan
kill -9 "$HOLDER"; wait "$HOLDER" 2>/dev/null || true
check "it is still held just after the program was killed" held orphan
check "and free when its time is over" soon free orphan

# Taken away, the command is stopped.
begun=$SECONDS
"$PARLEY_BIN" lock taken --ttl 3s -- sh -c 'trap "echo stopped >stopped; exit 0" TERM; sleep 30 & wait' 2>told & HOLDER=$!
soon held taken
curl -s -o /dev/null -X DELETE "$(url 1)/locks/taken"
ended "$HOLDER"
same "who loses the lock is told by the exit code" 76 "$CODE"
check "the command was asked to stop" test -e stopped
check "within a second or two" [ $((SECONDS - begun)) -lt 6 ]
check "and it is said" grep -q 'taken was lost' told

# No node left: nobody knows for how long it is held, so the command is stopped before it ends.
"$PARLEY_BIN" lock alone --ttl 3s --grace 500ms -- sh -c 'trap "" TERM; sleep 30 & wait' 2>told & HOLDER=$!
soon held alone
for i in $NODES; do signal STOP "$i"; done
begun=$SECONDS
ended "$HOLDER"
same "without a cluster it is lost" 76 "$CODE"
check "after its ttl and the grace" [ $((SECONDS - begun)) -lt 8 ]
for i in $NODES; do signal CONT "$i"; done
wait_ready

# The others of the kind, and what can be asked and done.
same "leading" "boss x" "$("$PARLEY_BIN" elect chief --candidate boss --value x -- sh -c 'curl -s "'"$(url 1)"'/elections/$PARLEY_ELECTION" | jq -r "\"\(.leader.candidate) \(.leader.value)\""')"
same "its writes carry its token" 201 "$("$PARLEY_BIN" elect "a chief" -- sh -c 'curl -s -o /dev/null -w "%{http_code}" -X PUT -H "Parley-Fence: $PARLEY_FENCE" -d 1 "'"$(url 2)"'/kv/led"')"
check "a semaphore" "$PARLEY_BIN" semaphore set gpu --permits 2
same "its permits" 1 "$("$PARLEY_BIN" semaphore gpu -- sh -c 'curl -s "'"$(url 2)"'/semaphores/gpu" | jq .available')"
T=$("$PARLEY_BIN" lock acquire plain --ttl 1m)
same "taken without a command" 0 "$(code "$PARLEY_BIN" lock check plain --token "$T")"
same "by somebody else" 75 "$(code "$PARLEY_BIN" lock acquire plain)"
same "released" true "$("$PARLEY_BIN" lock release plain --token "$T" | jq .released)"
same "the token is worth nothing now" 4 "$(code "$PARLEY_BIN" lock check plain --token "$T")"
