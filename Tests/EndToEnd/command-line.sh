#!/usr/bin/env bash
# What a user meets on the command line: exit codes, one clear line for each mistake, client verbs with fail-over.
. "$(dirname "$0")/lib.sh"

# refused CODE PATTERN ARGUMENT...: exits with CODE and says one line that fits
refused() {
    local code=$1 pattern=$2 out got=0
    shift 2
    out=$(timeout 20 "$PARLEY_BIN" "$@" 2>&1 >/dev/null </dev/null) || got=$?
    if [ "$got" = "$code" ] && grep -qiE "$pattern" <<<"$out"; then ok "refused ($code): ${out%%$'\n'*}"
    else bad "parley $*: wanted exit $code and '$pattern', got $got: $out"; fi
}

refused 2 'unknown option' serve --nmae n1
refused 2 'port|listen' serve --name n1 --listen nonsense --data-dir "$WORK/x"
refused 2 'n9' serve --name n9 --listen "127.0.0.1:$PORT" --data-dir "$WORK/x" --cluster "$(cluster)"
refused 1 'data folder|directory|folder' serve --name n1 --listen "127.0.0.1:$PORT" --data-dir /proc/nowhere --cluster "$(cluster)"

start_all
wait_ready
refused 1 'another process listens' serve --name n1 --listen "127.0.0.1:$PORT" --data-dir "$WORK/y" --cluster "$(cluster)"
refused 1 'another process' serve --name n1 --listen "127.0.0.1:$((PORT + 20))" --data-dir "$WORK/n1" --cluster "$(cluster)"

export PARLEY_ENDPOINTS; PARLEY_ENDPOINTS=$(endpoints)
check "put" "$PARLEY_BIN" put greeting hello
same "get" hello "$("$PARLEY_BIN" get greeting)"
same "put from standard input" "from a pipe" "$(printf 'from a pipe' | "$PARLEY_BIN" put piped - >/dev/null; "$PARLEY_BIN" get piped)"
same "list" 2 "$("$PARLEY_BIN" list --keys | grep -c .)"
code=0; "$PARLEY_BIN" get nothing >/dev/null 2>&1 || code=$?; same "exit code of a missing key" 3 "$code"
code=0; "$PARLEY_BIN" put greeting x --if-absent >/dev/null 2>&1 || code=$?; same "exit code of a failed condition" 4 "$code"
for verb in status members leader; do check "$verb" "$PARLEY_BIN" $verb; done
same "leader --json" "n$(leader)" "$("$PARLEY_BIN" leader --json | jq -r .name)"
check "delete" "$PARLEY_BIN" delete greeting
same "txn" true "$("$PARLEY_BIN" txn '{"if":[{"key":"greeting","absent":true}],"then":[{"put":{"key":"greeting","value":"hi"}}]}' | jq .succeeded)"
code=0; "$PARLEY_BIN" txn '{"if":[{"key":"greeting","absent":true}],"then":[]}' >/dev/null 2>&1 || code=$?; same "exit code of guards that do not hold" 4 "$code"
same "watch" "put	watched	x" "$("$PARLEY_BIN" put watched x >/dev/null; "$PARLEY_BIN" watch --key watched --from 1 --max 1 | cut -f 2-)"
refused 2 'exclude' watch --key a --prefix b
refused 1 'compacted' watch --key watched --from 1 --endpoints "$(curl -s -X POST "$(url 1)/compact?keep=0" >/dev/null; url 1)"

before_clock=$("$PARLEY_BIN" clock tick | jq .lamport)
same "clock: an event is one more" "$((before_clock + 1))" "$("$PARLEY_BIN" clock tick | jq .lamport)"
same "clock: a message's time is passed" 5001 "$("$PARLEY_BIN" clock observe '{"lamport":5000}' | jq .lamport)"
same "clock: two times" concurrent "$("$PARLEY_BIN" clock compare '{"vector":{"n1":2}}' '{"vector":{"n2":1}}' | jq -r .order)"
refused 1 'ahead of this node' clock observe '{"hlc":"2999-01-01T00:00:00.000Z/0000"}'
id=$("$PARLEY_BIN" events publish deploy v42 --ttl 10m --endpoints "$(url 1)" | jq -r .id)
printf 'from a pipe' | "$PARLEY_BIN" events publish deploy - --endpoints "$(url 2)" >/dev/null
followed() { [ "$(timeout 30 "$PARLEY_BIN" events follow --topic deploy --max 2 --endpoints "$(url 3)" | jq -r .body | sort | xargs)" = "from a pipe v42" ]; }
check "events: published by two nodes, followed on the third" followed
same "events: list" v42 "$("$PARLEY_BIN" events list --topic deploy --endpoints "$(url 1)" | jq -r --arg id "$id" '.items[] | select(.id == $id).body')"
same "events: show" n1 "$("$PARLEY_BIN" events show "$id" --endpoints "$(url 1)" | jq -r .origin)"
refused 3 'event' events show 1-18f2a-7
refused 2 'max' events follow --max 0
for kind in reliable atomic; do check "broadcast: $kind" "$PARLEY_BIN" broadcast --abstraction "$kind" --channel said "$kind"; done
printf 'piped' | "$PARLEY_BIN" broadcast --abstraction uniform --channel said - >/dev/null
said() { [ "$(get "$(url "$1")/inbox/n$1?channel=said" | jq -r '.items[].body' | sort | xargs)" = "atomic piped reliable" ]; }
for i in $NODES; do check "broadcast: n$i has all three" within 10 said "$i"; done
refused 2 'abstraction' broadcast hello
refused 2 'magic' broadcast --abstraction magic hello
same "spec: all algorithms" "raft membership link clock event broadcast lease lock election semaphore task" "$("$PARLEY_BIN" spec | sed -n 's/^\([a-z]*\): .*/\1/p' | xargs)"
same "spec: one" raft "$("$PARLEY_BIN" spec raft --json | jq -r .name)"
refused 3 'did you mean raft' spec raf
elected() { "$PARLEY_BIN" transitions --algorithm raft --endpoints "$(url "$1")" | grep -q "raft n$1: candidate -> leader, election won"; }
check "transitions: the leader's election" elected "$(leader)"
leased() { timeout 30 "$PARLEY_BIN" transitions --algorithm lease --subject watched --follow --max 2 --json --endpoints "$(url 3)" | jq -r .cause | xargs; }
leased >"$WORK/leased" &
follower=$!
sleep 0.5
"$PARLEY_BIN" lease grant --ttl 60s --id watched --endpoints "$(url 1)" >/dev/null
"$PARLEY_BIN" lease revoke watched --endpoints "$(url 2)" >/dev/null
wait "$follower"
same "transitions: followed" "granted revoked" "$(cat "$WORK/leased")"
refused 1 'there is no algorithm' transitions --algorithm paxos
refused 2 'max' transitions --max 0
refused 1 'enable-faults' fault list
refused 2 'ttl' fault link n1 n2 --block

# Also on the head of a stream.
hold=$(timeout 2 curl -sNi -X POST "$(url 1)/leases?ttl=5s&hold" -H 'Parley-Clock: 2026-01-01T00:00:00.000Z/0000' || true)
check "a stream's head carries the time" grep -qi '^parley-clock: 20' <<<"$hold"

before=$(leader)
check "transfer" "$PARLEY_BIN" transfer
sleep 0.3
check "another node leads" [ "$(leader)" != "$before" ]

l=$(leader)
end 9 "$l"
check "a verb finds the nodes that live" "$PARLEY_BIN" put after-crash 1
same "and reads what it wrote" 1 "$("$PARLEY_BIN" get after-crash)"
start "$l"
wait_ready

# A folder that was copied from another node, or is of another cluster.
end TERM 3
same "an orderly stop" 0 "$STATUS"
rm -rf "$WORK/copy"; cp -r "$WORK/n3" "$WORK/copy"
refused 1 'node' serve --name n2 --listen "127.0.0.1:$((PORT + 21))" --data-dir "$WORK/copy" --cluster "$(cluster)"
refused 1 'cluster' serve --name n3 --listen "127.0.0.1:$((PORT + 2))" --data-dir "$WORK/n3" --cluster "$(cluster)" --cluster-name other
start 3
wait_ready
