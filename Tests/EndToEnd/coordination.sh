#!/usr/bin/env bash
# Locks, elections, semaphores, barriers and queues with curl: on followers, for as long as a client stays connected, and
# while leaders die.
. "$(dirname "$0")/lib.sh"

start_all
wait_ready
l=$(leader)
a=$(url $((l % 3 + 1))) b=$(url $(((l + 1) % 3 + 1)))
post() { curl -s -m 40 -X POST "$@"; }
until_true() { local try; for try in $(seq 100); do "$@" && return; sleep 0.1; done; return 1; }

# Locks: one holder, tokens that grow, a queue in the order of asking.
first=$(post "$a/locks/cron/acquire?owner=a&ttl=60s" | jq .token)
same "a lock that is held" '["lock_held","a"]' "$(post "$b/locks/cron/acquire?owner=b" | jq -c '[.code,.holder.owner]')"
post "$b/locks/cron/acquire?owner=b&ttl=60s&wait=30s" >"$WORK/b" & B=$!
queued() { [ "$(get "$a/locks/cron" | jq -r '.queue[0].owner')" = b ]; }
check "who waits is in the queue" until_true queued
post "$a/locks/cron/release?token=$first" >/dev/null
wait "$B"
second=$(jq .token "$WORK/b")
check "the next one has it, with a greater token" [ "$second" -gt "$first" ]
same "the old token is worth nothing" 412 "$(status "$b/locks/cron/check?token=$first")"
same "the new one is" 200 "$(status "$a/locks/cron/check?token=$second")"
same "a release twice" '[true,false]' "[$(post "$b/locks/cron/release?token=$second" | jq .released),$(post "$b/locks/cron/release?token=$second" | jq .released)]"

# A lock that is held for as long as curl runs.
curl -sN -X POST "$a/locks/deploy/acquire?owner=me&wait=1h&ttl=3s&hold" >"$WORK/held" & HOLD=$!
held() { [ "$(get "$b/locks/deploy" | jq .held)" = "$1" ]; }
check "a lock is held while curl runs" until_true held true
sleep 4
check "and longer than its ttl" held true
kill "$HOLD"; wait "$HOLD" 2>/dev/null || true
check "and is free when curl is gone" until_true held false

# Readers share, a writer waits for them, and a reader behind it waits too.
r1=$(post "$a/locks/rw/acquire?owner=r1&mode=read" | jq .token)
r2=$(post "$b/locks/rw/acquire?owner=r2&mode=read" | jq .token)
post "$a/locks/rw/acquire?owner=w&wait=30s" >"$WORK/w" & W=$!
waits() { [ "$(get "$a/locks/rw" | jq '.queue | length')" -ge "$1" ]; }
check "two readers hold it, and a writer waits" until_true waits 1
same "a reader behind a writer that waits" 409 "$(status -X POST "$b/locks/rw/acquire?owner=r3&mode=read")"
post "$a/locks/rw/release?token=$r1" >/dev/null
post "$a/locks/rw/release?token=$r2" >/dev/null
wait "$W"
same "the writer has it in the end" w "$(jq -r .owner "$WORK/w")"

# A queue of contenders outlives three leaders; each gets the lock once, in the order in which they asked.
token=$(post "$a/locks/fifo/acquire?owner=0&ttl=10m" | jq .token)
l=$(leader)
for i in $(seq 6); do
    f=$(((l + i) % 3 + 1)); [ "$f" = "$l" ] && f=$((l % 3 + 1))
    post "$(url "$f")/locks/fifo/acquire?owner=$i&ttl=10m&wait=60s" >"$WORK/fifo-$i" & WAITERS[i]=$!
    in_line() { [ "$(get "$(url "$f")/locks/fifo" | jq '.queue | length')" = "$i" ]; }
    until_true in_line
done
end KILL "$l"
s=$((l % 3 + 1))
order=''
for i in $(seq 6); do
    released() { [ "$(post "$(url "$s")/locks/fifo/release?token=$token&timeout=10s" | jq .released)" = true ]; }
    until_true released
    wait "${WAITERS[i]}" || true
    order="$order$(jq -r .owner "$WORK/fifo-$i")"
    next=$(jq .token "$WORK/fifo-$i")
    [ "$next" -gt "$token" ] || bad "token $next after $token"
    token=$next
done
same "six waiters over the death of a leader: first come, first served" 123456 "$order"
start "$l"
wait_ready

# Who waits with an idempotency key keeps the place when it is gone, and takes it up again on another node.
token=$(post "$a/locks/again/acquire?owner=a&ttl=60s" | jq .token)
curl -s -o "$WORK/lost" -X POST -H 'Idempotency-Key: again' "$a/locks/again/acquire?owner=b&ttl=60s&wait=60s" & B=$!
stands() { [ "$(get "$b/locks/again" | jq -r '[.queue[].owner] | join(",")')" = "$1" ]; }
check "it stands in the queue" until_true stands b
kill -9 "$B"; wait "$B" 2>/dev/null || true
post -H 'Idempotency-Key: again' "$b/locks/again/acquire?owner=b&ttl=60s&wait=60s" >"$WORK/again" & B=$!
sleep 0.3
check "and still does, once" stands b
post "$a/locks/again/release?token=$token" >/dev/null
wait "$B"
same "it has the lock, whoever asks" "$(jq .token "$WORK/again")" "$(post -H 'Idempotency-Key: again' "$a/locks/again/acquire?owner=b&ttl=60s&wait=60s" | jq .token)"
same "and the answer is the same" "$(cat "$WORK/again")" "$(post -H 'Idempotency-Key: again' "$a/locks/again/acquire?owner=b&ttl=60s&wait=60s")"

# A receiver may be there before the queue.
post "$a/queues/new/receive?wait=20s" >"$WORK/new" & B=$!
sleep 0.3
curl -s -o /dev/null "$b/queues/new" -d first
wait "$B"
same "a receiver that waited for the queue" first "$(cat "$WORK/new")"

# An election, a semaphore, a barrier.
same "a candidate is elected" a "$(post "$a/elections/chief/campaign?candidate=a&value=x" | jq -r .leader)"
same "another one is not" 409 "$(status -X POST "$b/elections/chief/campaign?candidate=b")"
same "and everybody knows who leads" '["a","x"]' "$(get "$b/elections/chief" | jq -c '[.leader.candidate,.leader.value]')"
curl -s -o /dev/null -X PUT "$a/semaphores/gpu?permits=2"
same "a semaphore of two lets two in" "200 200 409" "$(for i in 1 2 3; do status -X POST "$b/semaphores/gpu/acquire?owner=$i"; echo; done | xargs)"
for i in 1 2 3; do post "$(url "$i")/barriers/start/arrive?member=w$i&parties=3&wait=30s" >"$WORK/arrived-$i" & PARTY[i]=$!; done
wait "${PARTY[@]}"
same "three parties leave a barrier together" "[true,true,true]" "$(jq -c -s 'map(.released)' "$WORK"/arrived-*)"

# Watches of a lock and of an election: how it stands, once or as it changes, on any node and over the death of a leader.
same "a lock that does not exist" '["ghost",false,0]' "$(get "$a/locks/ghost/watch?max=1" | jq -c '[.name,.held,.queue_length]')"
same "an election that nobody has won" '["ghost",null]' "$(get "$b/elections/ghost/watch?max=1" | jq -c '[.name,.leader]')"
same "one line of an election" '["a","x"]' "$(get "$b/elections/chief/watch?max=1" | jq -c '[.leader.candidate,.leader.value]')"
same "a watch that ends by its time, with a bookmark" '[true,true]' "$(get "$a/locks/ghost/watch?wait=300ms" | jq -c -s '[(.[0] | has("held")),(.[-1] | has("bookmark"))]')"
same "as events" "event: change" "$(get -H 'Accept: text/event-stream' "$b/locks/ghost/watch?max=1" | grep '^event')"
l=$(leader)
f=$(url $((l % 3 + 1))) g=$(url $(((l + 1) % 3 + 1)))
curl -sN -m 60 "$f/locks/seen/watch" >"$WORK/seen" & SEEN=$!
curl -sN -m 60 "$g/elections/seen/watch" >"$WORK/elected" & ELECTED=$!
# states FILTER FILE: what the lines say of it, without repeats
states() { jq -r "select(has(\"name\")) | $1" "$2" | uniq | xargs; }
said() { [ "$(states "$1" "$WORK/$2")" = "$3" ]; }
check "a watch of a lock begins with what there is" until_true said .held seen false
check "and so does that of an election" until_true said .leader elected null
first=$(post "$g/locks/seen/acquire?owner=one&ttl=60s" | jq .token)
post "$f/elections/seen/campaign?candidate=e1&value=v1&ttl=60s" >"$WORK/won"
check "a follower's watch sees who gets it" until_true said '.holder.owner // "none"' seen "none one"
post "$g/locks/seen/acquire?owner=two&ttl=60s&wait=60s" >"$WORK/two" & TWO=$!
check "and who waits for it" until_true said '.queue_length' seen "0 1"
end KILL "$l"
released() { [ "$(post "$f/locks/seen/release?token=$first&timeout=10s" | jq .released)" != null ]; }
until_true released
wait "$TWO" || true
second=$(jq .token "$WORK/two")
check "and after the leader was killed, the next one" until_true said '.holder.owner // "none"' seen "none one two"
post "$g/elections/seen/proclaim?token=$(jq .token "$WORK/won")&value=v2&timeout=10s" >/dev/null
check "and a leader's new value" until_true said '"\(.leader.candidate)=\(.leader.value)"' elected "null=null e1=v1 e1=v2"
post "$f/locks/seen/renew?token=$second" >/dev/null
post "$g/locks/seen/release?token=$second" >/dev/null
check "and that nobody has it in the end" until_true said '.holder.owner // "none"' seen "none one two none"
same "tokens grow from line to line" "$first $second" "$(jq -r '.holder.token // empty' "$WORK/seen" | uniq | xargs)"
same "no line is like the one before" "" "$(jq -c 'select(has("name"))' "$WORK/seen" | uniq -d)"
start "$l"
wait_ready
s=$((l % 3 + 1))
end TERM "$s"
wait "$SEEN" && code=0 || code=$?
same "a node that stops says so" "shutting_down 0" "$(tail -n 1 "$WORK/seen" | jq -r .bye) $code"
kill "$ELECTED"; wait "$ELECTED" 2>/dev/null || true
start "$s"
wait_ready
l=$(leader)
a=$(url $((l % 3 + 1))) b=$(url $(((l + 1) % 3 + 1)))

# Messages survive the death of leaders, and every one is handed out; who acknowledges has it alone.
curl -s -o /dev/null -X PUT "$a/queues/mail" -d '{"visibility_ms":5000}'
(
    for i in $(seq 60); do
        for try in $(seq 50); do
            code=$(curl -s -m 5 -o /dev/null -w '%{http_code}' -H "Idempotency-Key: mail-$i" "$(url $((i % 3 + 1)))/queues/mail" -d "$i") || code=000
            [ "$code" = 201 ] && break
            sleep 0.1
        done
        sleep 0.05
    done
) & SENDER=$!
: >"$WORK/acknowledged"
(
    end_at=$((SECONDS + 40))
    while [ "$(sort -u "$WORK/acknowledged" | wc -l)" -lt 60 ] && [ $SECONDS -lt $end_at ]; do
        n=$(url $((RANDOM % 3 + 1)))
        curl -s -m 5 -D "$WORK/h" -o "$WORK/m" -X POST "$n/queues/mail/receive?wait=1s" || continue
        receipt=$(tr -d '\r' <"$WORK/h" | awk '/^Parley-Receipt/ { print $2 }')
        [ -n "$receipt" ] || continue
        [ "$(curl -s -m 5 -o /dev/null -w '%{http_code}' -X POST "$n/queues/mail/ack?receipt=$receipt")" = 200 ] && echo "$(cat "$WORK/m")" >>"$WORK/acknowledged"
    done
) & RECEIVER=$!
kill_leaders 2
wait "$SENDER" "$RECEIVER"
same "sixty messages over two dead leaders: all are acknowledged" 60 "$(sort -u "$WORK/acknowledged" | wc -l | tr -d ' ')"
same "each by one receiver" "" "$(sort "$WORK/acknowledged" | uniq -d | xargs)"
wait_ready
same "and the queue is empty" '[0,0]' "$(get "$(url 1)/queues/mail" | jq -c '[.ready,.in_flight]')"
