#!/usr/bin/env bash
# Messages that survive: kept by a majority until their recipient has taken them, in one order for all.
. "$(dirname "$0")/lib.sh"
start_all
wait_ready
send() { curl -s -m 15 -X POST "$(url "$1")/messages/$2" --data-binary "$3" | jq -r .id; } # send NODE NAME?QUERY BODY
bodies() { curl -s -L -m 15 "$(url "$1")/inbox/$2" | jq -r '.items[]?.body' | xargs; }
delivery() { get "$(url "$1")/messages/$2" | jq -r ".deliveries.\"$3\""; }
is() { [ "$(delivery "$1" "$2" "$3")" = "$4" ]; }
depth() { curl -s -L -m 10 "$(url "$1")/inbox/$2" | jq .depth; }
depth_is() { [ "$(depth "$1" "$2")" = "$3" ]; }
refused() { # refused NAME CODE ARG...
    local name=$1 code=$2; shift 2
    same "$name" "$code" "$(curl -s -m 10 "$@" | jq -r .code)"
}
register() { status -X PUT "$(url "$1")/participants/$2"; }

register 1 'a?ttl=1h' >/dev/null
register 2 'b?ttl=1h' >/dev/null

# One message: in the inbox once its sender has the answer, there until it is taken.
first=$(send 3 'a?delivery=logged&from=c' one)
same "it is in the inbox when its sender is answered" one "$(bodies 1 a)"
same "looking takes nothing" one "$(bodies 2 a)"
same "its sender sees it delivered" delivered "$(delivery 3 "$first" a)"
get -X POST "$(url 1)/inbox/a/ack?id=$first" >/dev/null
same "acknowledged, it is gone" "" "$(bodies 1 a)"
check "and its sender sees that" within 5 is 3 "$first" a acked
same "with the times of its way" "delivered acked" "$(get "$(url 3)/messages/$first" | jq -r '.paths.a[].state' | xargs)"
send 2 'a?delivery=logged' two >/dev/null
send 2 'a?delivery=logged&channel=other' three >/dev/null
send 2 'a?delivery=logged' four >/dev/null
same "by channel" three "$(bodies 1 'a?channel=other')"
last=$(curl -s "$(url 1)/inbox/a" | jq -r '.items[-1].id')
same "upto takes all before" 3 "$(get -X POST "$(url 1)/inbox/a/ack?upto=$last" | jq .acknowledged)"
send 2 'a?delivery=logged' five >/dev/null
same "ack=auto takes what it shows" five "$(bodies 1 'a?ack=auto')"
same "and shows it once" "" "$(bodies 1 a)"

once() { curl -s "$(url "$1")/messages/a?delivery=logged" -H 'Idempotency-Key: once' -d six | jq -r .id; }
same "under a key it is sent once, wherever it is tried" "$(once 1)" "$(once 2)"
same "so it comes once" six "$(bodies 1 'a?ack=auto')"

# A sender that waits for the end.
( sleep 0.5; bodies 2 'b?wait=5s&ack=auto' >/dev/null ) &
reader=$!
same "wait=ack answers when it was taken" "acked 200" \
    "$(curl -s -m 10 -w ' %{http_code}' "$(url 1)/messages/b?delivery=logged&wait=ack&timeout=8s" -d x | jq -r 'if type == "object" then .deliveries.b else . end' | xargs)"
wait "$reader"
same "or when its patience is over" 202 "$(status "$(url 1)/messages/b?delivery=logged&wait=ack&timeout=300ms" -d y)"
( sleep 0.5; bodies 2 'b?wait=5s&ack=auto' >/dev/null ) &
reader=$!
same "also over links" 200 "$(status "$(url 1)/messages/b?delivery=reliable&wait=ack&timeout=8s" -d z)"
wait "$reader"
bodies 2 'b?ack=auto' >/dev/null

# One order for all: three senders at three nodes, two recipients.
for n in 1 2 3; do
    ( for i in $(seq 40); do curl -s -o /dev/null "$(url "$n")/messages" --json "{\"to\":[\"a\",\"b\"],\"body\":\"$n-$i\",\"delivery\":\"logged\",\"ordering\":\"total\"}"; done ) &
    pids[n]=$!
done
wait "${pids[@]}"
bodies 1 'a?max=1000' | tr ' ' '\n' >"$WORK/a"
bodies 2 'b?max=1000' | tr ' ' '\n' >"$WORK/b"
same "all are there" 120 "$(wc -l <"$WORK/a")"
check "both have the same order" cmp -s "$WORK/a" "$WORK/b"
for n in 1 2 3; do grep "^$n-" "$WORK/a" >"$WORK/of$n"; done
check "in which each sender's stand as it sent them" cmp -s <(cat "$WORK"/of[123]) <(for n in 1 2 3; do seq -f "$n-%g" 40; done)
bodies 1 'a?max=1000&ack=auto' >/dev/null
bodies 2 'b?max=1000&ack=auto' >/dev/null

# Crashes. What was answered is there after all nodes were killed; the home of the recipient dies.
for i in $(seq 20); do send 1 'b?delivery=logged' "kept-$i" >/dev/null; done
for i in 1 2 3; do end KILL "$i"; done
start_all
wait_ready
same "after all nodes were killed" "$(seq -f 'kept-%g' 20 | xargs)" "$(bodies 2 'b?wait=5s&max=100')"
end KILL 2
moved() { [ "$(register 3 'b?ttl=1h&move')" = 200 ]; }
check "its home is dead: it moves" within 15 moved
same "and finds them" "$(seq -f 'kept-%g' 20 | xargs)" "$(bodies 3 'b?max=100')"
start 2
wait_ready

# The recipient ends, and comes back under its name.
register 1 'brief?ttl=1s' >/dev/null
send 2 'brief?delivery=logged' waits >/dev/null
gone() { [ "$(status "$(url 3)/participants/brief")" = 404 ]; }
check "its lease has ended" within 5 gone
refused "nobody reads an inbox without a participant" participant_not_found "$(url 1)/inbox/brief"
register 3 'brief?ttl=1h' >/dev/null
same "back at another node it finds what waited" waits "$(bodies 3 'brief?ack=auto')"

# Under load, with the leader killed: what was answered comes, and with a key nothing comes twice.
( for i in $(seq 150); do
    for try in $(seq 40); do
        code=$(status "$(url $((i % 3 + 1)))/messages/a?delivery=logged" -H "Idempotency-Key: load-$i" -d "$i")
        [ "$code" = 202 ] && break
        sleep 0.2
    done
    [ "$code" = 202 ] && echo "$i"
done >"$WORK/sent" ) &
sender=$!
( while [ ! -e "$WORK/stop" ]; do bodies 1 'a?wait=1s&max=7&ack=auto' | tr ' ' '\n' | grep . || sleep 0.1; done >"$WORK/read" ) &
reader=$!
for round in 1 2; do
    sleep 1
    l=$(leader)
    [ -n "$l" ] && [ "$l" != 1 ] || l=$((round + 1)) # a's home stays: its reader is what is tested
    end KILL "$l"; sleep 1; start "$l"
done
wait "$sender"
check "all are taken" within 15 depth_is 1 a 0
touch "$WORK/stop"; wait "$reader" || true
same "150 were sent while nodes were killed" 150 "$(wc -l <"$WORK/sent")"
check "each came" cmp -s <(sort -u "$WORK/read") <(sort -u "$WORK/sent")
say "of 150, $(($(wc -l <"$WORK/read") - 150)) came again"
wait_ready

# Its time, and the bound.
brief=$(send 1 'b?delivery=logged&ttl=500ms' late)
check "its time is over" within 5 is 1 "$brief" b expired
register 2 'd?ttl=1h' >/dev/null
head -c 65000 /dev/zero | tr '\0' x >"$WORK/big"
for n in $(seq 260); do [ "$(status -X POST "$(url 2)/messages/d?delivery=logged" --data-binary "@$WORK/big")" = 202 ] || break; done
check "16 MiB are the limit ($n messages of 65,000 bytes)" [ $((n / 10)) = 25 ]
refused "then it is full" queue_full -X POST "$(url 1)/messages/d?delivery=logged" --data-binary "@$WORK/big"
get "$(url 2)/inbox/d?ack=auto&max=1000" -o /dev/null
check "all is taken" within 10 depth_is 2 d 0
same "until something was taken" 202 "$(status -X POST "$(url 1)/messages/d?delivery=logged" -d again)"

# Without a majority nothing is promised.
end KILL 2; end KILL 3
check "without a majority it is not taken" [ "$(status -m 8 "$(url 1)/messages/a?delivery=logged&timeout=1s" -d x)" != 202 ]
start 2; start 3
wait_ready

refused "an order that links don't keep" bad_request "$(url 1)/messages/a?ordering=total" -d x
refused "nobody of that name" participant_not_found "$(url 1)/messages/nobody?delivery=logged" -d x
refused "a key where nothing is logged" bad_request -H 'Idempotency-Key: k' "$(url 1)/messages/a" -d x
refused "kept for too long" bad_duration "$(url 1)/messages/a?delivery=logged&ttl=721h" -d x
same "parley send" delivered "$(PARLEY_ENDPOINTS=$(url 2) "$PARLEY_BIN" send a hello --delivery logged --json | jq -r .deliveries.a)"
