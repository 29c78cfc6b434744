#!/usr/bin/env bash
# Messages from node to node, with what is promised of each: over links that lose, double and reorder datagrams, to
# processes that are killed, and in order where order is asked for.
. "$(dirname "$0")/lib.sh"
start_all --enable-faults
wait_ready
send() { local from=$1 to=$2; shift 2; get -X POST "$(url "$from")/messages/n$to?$1" --data-binary "$2" | jq -r .id; } # send FROM TO QUERY BODY
bodies() { get "$(url "$1")/inbox/n$1?channel=$2&max=1000" | jq -r '.items[].body'; }
has() { bodies "$1" "$2" | grep -qxF "$3"; }
state() { get "$(url "$1")/messages/$2" | jq -r ".deliveries.n$3"; }
is() { [ "$(state "$1" "$2" "$3")" = "$4" ]; }
count() { bodies "$1" "$2" | wc -l; }

# One message, and what becomes of it.
id=$(send 1 2 channel=c "hello")
check "it comes" within 5 has 2 c hello
check "and the sender knows that" within 5 is 1 "$id" 2 delivered
get "$(url 2)/inbox/n2?channel=c" >"$WORK/seen"
check "with the sender's clocks" jq -e '.items[0] | .lamport > 0 and (.hlc | length > 20)' "$WORK/seen"
clock() { get "$(url "$1")/clock" | jq .lamport; }
check "the receiver's clock is beyond them" [ "$(clock 2)" -gt "$(jq '.items[0].lamport' "$WORK/seen")" ]
same "it was only looked at" delivered "$(state 1 "$id" 2)"
get -X POST "$(url 2)/inbox/n2/ack?id=$id" >/dev/null
check "taken out: the sender hears of that, too" within 5 is 1 "$id" 2 acked
same "another node does not know the message" 404 "$(status "$(url 3)/messages/$id")"
own=$(send 1 1 channel=self "to itself")
same "to itself it is there at once" delivered "$(state 1 "$own" 1)"
get "$(url 1)/inbox/n1?channel=self&ack=auto" >/dev/null
same "and is taken" acked "$(state 1 "$own" 1)"
all=$(get -X POST "$(url 3)/messages/*?channel=all" -d everybody | jq -r .id)
both() { [ "$(get "$(url 3)/messages/$all" | jq -c '.deliveries')" = '{"n1":"delivered","n2":"delivered"}' ]; }
check "to all others" within 5 both
head -c 65536 /dev/urandom >"$WORK/big"
big=$(send 1 3 channel=big "@$WORK/big")
got_big() { get "$(url 3)/inbox/n3?channel=big" | jq -r '.items[0].body_b64' | base64 -d 2>/dev/null | cmp -s - "$WORK/big"; }
check "64 KiB of any bytes, in many datagrams" within 10 got_big
check "are delivered as one" within 5 is 1 "$big" 3 delivered

# The ladder, over links that lose 30 % of the datagrams, and double and reorder others.
for i in $NODES; do get -X PUT "$(url "$i")/faults/links/*/*?ttl=120s" --json '{"drop":0.3,"duplicate":0.3,"reorder":0.3}' >/dev/null; done
for n in $(seq 100); do
    send 1 2 "channel=reliable" "r$n" >/dev/null
    send 1 2 "channel=fifo&ordering=fifo" "f$n" >/dev/null
    send 1 3 "channel=unreliable&delivery=unreliable" "u$n" >/dev/null
done
stubborn=$(send 1 3 "channel=stubborn&delivery=stubborn&ttl=60s" again)
complete() { [ "$(bodies 2 "$1" | sort -u | wc -l)" = 100 ]; }
check "reliable: all come" within 30 complete reliable
check "fifo: all come" within 30 complete fifo
same "reliable: each once" 100 "$(count 2 reliable)"
same "fifo: each once, in order" "$(seq -f 'f%g' 100 | xargs)" "$(bodies 2 fifo | xargs)"
check "unreliable: some are lost, or come twice ($(count 3 unreliable) came)" [ "$(bodies 3 unreliable | sort -u | wc -l)" -lt 100 ]
more() { [ "$(count 3 stubborn)" -ge 3 ]; }
check "stubborn: comes again and again" within 20 more
get "$(url 3)/inbox/n3?channel=stubborn&ack=auto&max=1000" >/dev/null
check "until it is taken" within 20 is 1 "$stubborn" 3 acked
for i in $NODES; do get -X DELETE "$(url "$i")/faults" >/dev/null; done
sleep 3
get "$(url 3)/inbox/n3?channel=stubborn&ack=auto&max=1000" >/dev/null
sleep 4
same "then no more" 0 "$(count 3 stubborn)"

# A recipient that is killed: nobody knows what its process had, so what was reliable is told to be lost, and what is
# stubborn comes to the next process.
end 9 2
late=$(send 1 2 "channel=away" "did you hear?")
again=$(send 1 2 "channel=away&delivery=stubborn" "are you back?")
short=$(send 1 2 "channel=away&ttl=1s" "too late")
same "on its way" sent "$(state 1 "$late" 2)"
check "one whose time is over is expired" within 5 is 1 "$short" 2 expired
start 2 --enable-faults
wait_ready
check "a stubborn one comes to the next process" within 20 has 2 away "are you back?"
get "$(url 2)/inbox/n2?channel=away&ack=auto&max=1000" >/dev/null
check "and is taken" within 5 is 1 "$again" 2 acked
check "a reliable one is told to be lost" within 20 is 1 "$late" 2 lost
send 1 2 "channel=away" "here you are" >/dev/null
check "and the next one comes" within 5 has 2 away "here you are"

# In both directions, while a node that has no part in it is killed: no leader and no quorum is needed.
end 9 3
one=$(send 1 2 "channel=two&ordering=fifo" ping)
two=$(send 2 1 "channel=two&ordering=fifo" pong)
check "a message needs no third node" within 5 has 2 two ping
check "nor does its answer" within 5 has 1 two pong
check "both are delivered" within 5 is 1 "$one" 2 delivered
check "and known to be" within 5 is 2 "$two" 1 delivered

# The command line.
said=$("$PARLEY_BIN" send n2 "by hand" --channel cli --ordering fifo --endpoints "$(url 1)" | jq -r .id)
check "parley inbox" [ "$("$PARLEY_BIN" inbox n2 --channel cli --wait 5s --take --endpoints "$(url 2)" | jq -r '.items[0].body')" = "by hand" ]
taken() { [ "$("$PARLEY_BIN" sent "$said" --endpoints "$(url 1)" | jq -r .deliveries.n2)" = acked ]; }
check "parley sent" within 5 taken

# Bad input, and what does not fit.
refused() { local name=$1 code=$2; shift 2; same "$name" "$code" "$(curl -s -m 10 "$@" | jq -r .code)"; }
refused "a delivery that is none" bad_request -X POST "$(url 1)/messages/n2?delivery=maybe" -d x
refused "an order that only logged messages have" bad_request -X POST "$(url 1)/messages/n2?ordering=total" -d x
refused "an order that needs more" bad_request -X POST "$(url 1)/messages/n2?delivery=unreliable&ordering=fifo" -d x
refused "no time at all" bad_duration -X POST "$(url 1)/messages/n2?ttl=0s" -d x
refused "a long stubborn one" content_too_large -X POST "$(url 1)/messages/n2?delivery=stubborn" --data-binary "@$WORK/big"
refused "an unknown node" participant_not_found -X POST "$(url 1)/messages/n9" -d x
refused "an unknown message" message_not_found "$(url 1)/messages/01JDABCDEFGHJKMNPQRSTVWXYZ"
send 1 2 "channel=long&delivery=unreliable" "@$WORK/big" >/dev/null
long() { [ "$(count 2 long)" -ge 1 ]; }
check "a long unreliable one goes with the peer requests" within 5 long
overfull() { for n in $(seq 20); do curl -s -m 5 -o "$WORK/answer" -w '%{http_code}\n' -X POST "$(url 1)/messages/n3" --data-binary "@$WORK/big"; done | sort | uniq -c | xargs; }
check "to a node that is gone a node does not keep without end ($(overfull))" [ "$(jq -r .code "$WORK/answer")" = queue_full ]
