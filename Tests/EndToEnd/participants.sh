#!/usr/bin/env bash
# Client processes with a name: found from every node, with an inbox and a state at their home, gone with their lease.
. "$(dirname "$0")/lib.sh"
start_all
wait_ready
register() { curl -s -m 10 -o "$WORK/answer" -w '%{http_code}' -X PUT "$(url "$1")/participants/$2"; } # register NODE NAME?QUERY
home() { get "$(url "$1")/participants/$2" | jq -r .home; }
send() { get -X POST "$(url "$1")/messages/$2" --data-binary "$3" | jq -r .id; } # send NODE NAME?QUERY BODY
bodies() { get -L "$(url "$1")/inbox/$2" | jq -r '.items[].body' | xargs; }
delivery() { get "$(url "$1")/messages/$2" | jq -r ".deliveries.$3"; }
is() { [ "$(delivery "$1" "$2" "$3")" = "$4" ]; }
refused() { # refused NAME CODE ARG...
    local name=$1 code=$2; shift 2
    same "$name" "$code" "$(curl -s -m 10 "$@" | jq -r .code)"
}

# The lines of the contract, with the two participants at different nodes.
same "a is registered" 201 "$(register 1 a?ttl=1h)"
same "b is registered elsewhere" 201 "$(register 2 b?ttl=1h)"
get "$(url 3)/messages/b?from=a&delivery=reliable&ordering=fifo" -d ping >/dev/null
same "a message comes from a third node" ping "$(bodies 2 'b?wait=10s&ack=auto')"
same "another node redirects to its home" 307 "$(status "$(url 1)/inbox/b")"
get "$(url 3)/messages/b?from=a" -d pong >/dev/null
same "which curl -L follows" pong "$(bodies 1 'b?wait=10s&ack=auto')"

# Found at once by everybody, renewed without moving, moved if asked to.
for n in $(seq 20); do
    register $((n % 3 + 1)) "p$n?ttl=60s" >/dev/null
    [ "$(status -X POST "$(url $(((n + 1) % 3 + 1)))/messages/p$n" -d "to $n")" = 202 ] || bad "p$n is not known elsewhere"
done
found() { [ "$(for n in $(seq 20); do bodies 1 "p$n"; done | xargs)" = "$(seq -f 'to %g' 20 | xargs)" ]; }
check "twenty are found by other nodes as soon as they are registered" within 5 found
same "known again" 200 "$(register 3 a?ttl=1h)"
same "it stays at home" n1 "$(home 2 a)"
left=$(send 2 a unread)
check "a message waits at its home" within 5 is 2 "$left" a delivered
same "moved" 200 "$(register 3 'a?ttl=1h&move')"
same "its home is another one" n3 "$(home 2 a)"
check "the sender of what was not taken out is told" within 5 is 2 "$left" a lost
send 1 a "after the move" >/dev/null
same "and messages come there" "after the move" "$(bodies 3 'a?wait=5s&ack=auto')"

# How far a message came, for each recipient by itself, two of them at the same node.
register 2 c >/dev/null
two=$(get -X POST "$(url 1)/messages" --json '{"to":["b","c","node:n2"],"body":"to three"}' | jq -r .id)
three() { [ "$(get "$(url 1)/messages/$two" | jq -c .deliveries)" = "$1" ]; }
check "three inboxes at one node" within 5 three '{"b":"delivered","c":"delivered","node:n2":"delivered"}'
get "$(url 2)/inbox/c?ack=auto" >/dev/null
check "one took it" within 5 three '{"b":"delivered","c":"acked","node:n2":"delivered"}'
get -X POST "$(url 2)/inbox/b/ack?id=$two" >/dev/null
get "$(url 2)/inbox/n2?ack=auto" >/dev/null
check "and the others" within 5 three '{"b":"acked","c":"acked","node:n2":"acked"}'

# A full inbox refuses, and the sender is told.
head -c 65000 /dev/zero | tr '\0' x >"$WORK/big"
for n in $(seq 260); do get -X POST "$(url 2)/messages/c" --data-binary "@$WORK/big" >/dev/null || break; done 2>"$WORK/full"
check "16 MiB are the limit ($n messages of 65,000 bytes)" [ $((n / 10)) = 25 ]
refused "refused at its home" queue_full -X POST "$(url 2)/messages/c" --data-binary "@$WORK/big"
far=$(send 1 c "@$WORK/big")
check "and from elsewhere the sender is told" within 5 is 1 "$far" c refused
get "$(url 2)/inbox/c?ack=auto&max=1000" >/dev/null
near=$(send 1 c "room again")
check "until something is taken out" within 5 is 1 "$near" c delivered

# A state that others can read.
put_state() { curl -s -L -m 10 -X PUT "$(url "$1")/participants/$2/state" --json "$3"; }
same "none yet" null "$(get "$(url 3)/participants/a/state" | jq -c .state)"
put_state 3 a '{"balance":100}' >/dev/null
same "read from another node" '{"balance":100}' "$(get -L "$(url 1)/participants/a/state" | jq -c .state)"
before=$(get "$(url 3)/participants/a/state" | jq .lamport)
same "written through another node" '{"balance":90}' "$(put_state 1 a '{"balance":90}' | jq -c .state)"
check "at a later logical time" [ "$(get "$(url 3)/participants/a/state" | jq .lamport)" -gt "$before" ]
refused "no JSON" bad_json -X PUT "$(url 3)/participants/a/state" --json '{"x":'
{ printf '"'; head -c 70000 /dev/zero | tr '\0' x; printf '"'; } >"$WORK/long"
refused "too long" content_too_large -X PUT "$(url 3)/participants/a/state" -H 'Content-Type: application/json' --data-binary "@$WORK/long"

# They end with their lease, with the connection that holds them, and when they are removed.
register 1 brief?ttl=1s >/dev/null
get "$(url 1)/participants/brief/state" -X PUT --json '1' >/dev/null
unread=$(send 2 brief "never read")
gone() { [ "$(status "$(url "$1")/participants/$2")" = 404 ]; }
check "gone with its lease" within 5 gone 3 brief
check "the sender is told" within 5 is 2 "$unread" brief lost
refused "its inbox is gone" participant_not_found "$(url 1)/inbox/brief"
register 1 brief?ttl=1s >/dev/null
same "who comes under the same name finds nothing of it" "null 0" "$(get "$(url 1)/participants/brief/state" | jq -c .state) $(get "$(url 1)/inbox/brief" | jq .depth)"
curl -sN -X PUT "$(url 2)/participants/held?ttl=2s&hold&on_disconnect=revoke" >"$WORK/held" &
held=$!
known() { [ "$(status "$(url 3)/participants/$1")" = 200 ]; }
check "held by a connection" within 5 known held
sleep 3
check "beyond its time to live" known held
kill "$held" && wait "$held" 2>/dev/null || true
check "gone with the connection" within 5 gone 1 held
curl -sN -X PUT "$(url 2)/workers/held?ttl=2s&hold&on_disconnect=revoke" >"$WORK/held" &
held=$!
working() { [ "$(get "$(url 3)/workers" | jq '.items | length')" = "$1" ]; }
check "a worker is held likewise" within 5 working 1
kill "$held" && wait "$held" 2>/dev/null || true
check "and gone with the connection" within 5 working 0
get -X DELETE "$(url 1)/participants/b" >/dev/null
refused "removed" participant_not_found "$(url 2)/participants/b"

# Its home dies: it moves, and others find it.
register 1 survivor?ttl=1h >/dev/null
end KILL 1
check "it is known without its home" within 10 known survivor
moved() { [ "$(register 2 'survivor?ttl=1h&move')" = 200 ]; }
check "it moves" within 10 moved
send 3 survivor "found" >/dev/null
same "and is found" found "$(bodies 2 'survivor?wait=5s&ack=auto')"
start 1
wait_ready
send 1 survivor "again" >/dev/null
same "by the old home, too, when that is back" again "$(bodies 2 'survivor?wait=5s&ack=auto')"

# From the command line, through any node.
export PARLEY_ENDPOINTS
PARLEY_ENDPOINTS=$(url 1)
"$PARLEY_BIN" participant register cli --ttl 1h --endpoints "$(url 3)" >/dev/null
"$PARLEY_BIN" send cli hello --from shell >/dev/null
taken() { "$PARLEY_BIN" inbox cli --wait 5s --take --json | jq -r '.items[].body'; }
same "parley inbox follows to its home" hello "$(taken)"
"$PARLEY_BIN" participant state cli '{"step":3}' >/dev/null
same "parley participant state" 3 "$("$PARLEY_BIN" participant state cli --json | jq .state.step)"
same "parley participant list" cli "$("$PARLEY_BIN" participant list --json | jq -r '.items[].participant' | grep cli)"
"$PARLEY_BIN" participant remove cli >/dev/null
code=0; "$PARLEY_BIN" participant show cli >/dev/null 2>&1 || code=$?
same "parley participant show: nobody of that name" 3 "$code"

refused "nobody of that name" participant_not_found -X POST "$(url 1)/messages/nobody" -d x
refused "a node's name" bad_request -X PUT "$(url 1)/participants/n2"
refused "a time to live of nothing" bad_duration -X PUT "$(url 1)/participants/x?ttl=0s"
