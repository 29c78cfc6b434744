#!/usr/bin/env bash
# Events spread without a leader and without a quorum, and reach those who were away.
. "$(dirname "$0")/lib.sh"
start_all --enable-faults
wait_ready
publish() { get -X POST "$(url "$1")/events/$2" -d "$3" | jq -r .id; } # publish NODE TOPIC BODY: its id
bodies() { get "$(url "$1")/events?topic=$2" | jq -r '.items[].body'; }
has() { bodies "$1" "$2" | grep -qx "$3"; }

id=$(publish 1 deploy v42)
for i in $NODES; do check "n$i has it" within 10 has "$i" deploy v42; done
everywhere() { [ "$(get "$(url 1)/events/$id" | jq -c .reached)" = '["n1","n2","n3"]' ]; }
check "the origin is told by all" within 10 everywhere
get "$(url 1)/events/$id" >"$WORK/shown"
shown() { jq -e "$1" "$WORK/shown" >"$WORK/true"; }
same "over how many datagrams it came" 0 "$(jq .hops.n1 "$WORK/shown")"
check "to the others over one or two" shown '.hops.n2 >= 1 and .hops.n2 <= 2 and .hops.n3 >= 1 and .hops.n3 <= 2'
check "within seconds" shown '.infection_ms.p99 < 5000 and .infection_ms.p50 <= .infection_ms.p99'
same "another node knows of itself only" 'own ["n3"]' "$(get "$(url 3)/events/$id" | jq -rc '.coverage + " " + (.reached | tostring)')"
clock() { get "$(url "$1")/clock" | jq .lamport; }
check "the receiver's Lamport clock is beyond the event's" [ "$(clock 3)" -gt "$(jq .lamport "$WORK/shown")" ]
head -c 4096 /dev/urandom >"$WORK/big"
get -X POST "$(url 2)/events/big" --data-binary "@$WORK/big" >/dev/null
got_big() { get "$(url 3)/events?topic=big" | jq -r '.items[0].body_b64' | base64 -d 2>/dev/null | cmp -s - "$WORK/big"; }
check "4 KiB of any bytes, in several datagrams" within 10 got_big

# Streams, and going on where one stopped, on the same node.
curl -sN -m 20 -H 'Accept: text/event-stream' "$(url 2)/events?topic=s&max=3" >"$WORK/stream" &
stream=$!
sleep 0.3
for n in 1 2 3; do publish 1 s "s$n" >/dev/null; done
wait "$stream" || bad "the stream ended with $?"
same "the stream told of three" "3" "$(grep -c '^event: event' "$WORK/stream")"
second=$(grep '^id: ' "$WORK/stream" | sed -n 2p | cut -c5-)
third=$(grep '^data: ' "$WORK/stream" | sed -n 3p | cut -c7- | jq -r .body)
resumed() { curl -sN -m 5 "$@" "$(url 2)/events?topic=s&max=1&wait=2s" | jq -r '.body // "missed"' | head -n 1; }
same "and goes on after the second" "$third" "$(resumed -H "Last-Event-ID: $second")"
same "an id that is not known is told" missed "$(resumed -H 'Last-Event-ID: 1-ffff-99')"
same "lines for as long as asked for" "s1 s2 s3" "$(curl -sN -m 10 "$(url 3)/events?topic=s&wait=3s" | jq -r .body | sort | xargs)"

# Loss, duplication and reordering.
for i in $NODES; do get -X PUT "$(url "$i")/faults/links/*/*?ttl=60s" --json '{"drop":0.3,"duplicate":0.3,"reorder":0.3}' >/dev/null; done
for n in $(seq 30); do publish $((n % 3 + 1)) lossy "l$n" >/dev/null; done
all_lossy() { [ "$(bodies "$1" lossy | sort -u | wc -l)" = 30 ]; }
for i in $NODES; do check "n$i has all 30 in spite of a loss of 30 %" within 20 all_lossy "$i"; done
for i in $NODES; do same "n$i has each once" 30 "$(bodies "$i" lossy | wc -l)"; done
for i in $NODES; do get -X DELETE "$(url "$i")/faults" >/dev/null; done

# A minority, and one that was away.
l=$(leader)
a=$((l % 3 + 1))
b=$((a % 3 + 1))
get -X POST "$(url "$l")/faults/partition?ttl=60s" --json "{\"groups\":[[\"n$a\"],[\"n$l\",\"n$b\"]]}" >/dev/null
cut_off() { [ "$(status -X PUT "$(url "$a")/kv/x?timeout=1s" -d 1)" -ge 500 ]; }
within 10 cut_off || true
publish "$a" split minority >/dev/null
publish "$b" split majority >/dev/null
check "the majority's is on its side" within 10 has "$l" split majority
sleep 1
same "each side has its own" "minority majority" "$(bodies "$a" split | xargs) $(bodies "$b" split | xargs)"
get -X DELETE "$(url "$l")/faults" >/dev/null
get -X DELETE "$(url "$a")/faults" >/dev/null
for i in $NODES; do
    check "healed: n$i has the minority's" within 20 has "$i" split minority
    check "healed: n$i has the majority's" within 20 has "$i" split majority
done
end 9 "$b"
publish "$a" away "while it was down" >/dev/null
start "$b" --enable-faults
wait_ready
check "a node that was killed gets what it missed" within 20 has "$b" away "while it was down"
check "and what it had" within 20 has "$b" deploy v42

# Bad input.
refused() { local name=$1 code=$2; shift 2; same "$name" "$code" "$(curl -s -m 10 "$@" | jq -r .code)"; }
refused "a long topic" bad_request -X POST "$(url 1)/events/$(printf 't%.0s' $(seq 129))" -d x
head -c 4097 /dev/zero >"$WORK/long"
refused "a long body" content_too_large -X POST "$(url 1)/events/t" --data-binary "@$WORK/long"
refused "a time to live of zero" bad_duration -X POST "$(url 1)/events/t?ttl=0s" -d x
refused "two days" bad_duration -X POST "$(url 1)/events/t?ttl=48h" -d x
refused "an id that is none" bad_request "$(url 1)/events?after=nonsense"
refused "an event that is not here" event_not_found "$(url 1)/events/1-18f2a-7"
refused "only some nodes" not_implemented -X POST "$(url 1)/events/t?scope=n1" -d x
full() { for n in $(seq 600); do curl -s -m 5 -o "$WORK/answer" -w '%{http_code}\n' -X POST "$(url 1)/events/t$n" -d x; done | sort | uniq -c | xargs; }
check "a node does not publish without end ($(full))" [ "$(jq -r .code "$WORK/answer")" = queue_full ]
check "it is counted" [ "$(get "$(url 1)/metrics" | awk '$1 == "parley_events_total{event=\"published\"}" { print $2 }')" -ge 500 ]
