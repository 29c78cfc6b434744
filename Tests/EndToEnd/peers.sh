#!/usr/bin/env bash
# The peers' endpoint: what is not a message of this cluster changes nothing, and messages can be written by hand.
# And what goes with messages from node to node: the traces of callers.
. "$(dirname "$0")/lib.sh"
start_all --log-level debug
wait_ready
id=$(get "$(url 1)/cluster" | jq -r .id)
before=$(get "$(url 1)/raft" | jq -c '[.term, .leader]')

# post NAME STATUS BODY: as JSON to node 1
post() { same "$1" "$2" "$(curl -s -m 5 -o "$WORK/answer" -w '%{http_code}' -H 'Content-Type: application/json' --data-binary "$3" "$(url 1)/peer/messages")"; }
envelope() { # envelope CLUSTER FROM TO MESSAGE
    printf '{"cluster":"%s","from":%s,"to":%s,"incarnation":"00000000000000aa","batch":%s,"messages":[%s]}' "$1" "$2" "$3" "$((++batch))" "$4"
}
batch=0
same "bytes that are no batch" 400 "$(status --data-binary @/bin/true "$(url 1)/peer/messages")"
post "text that is no JSON" 400 'hello'
post "an object that is no batch" 400 '{"cluster":"x"}'
post "an unknown member" 400 "{\"cluster\":\"$id\",\"from\":2,\"to\":1,\"incarnation\":\"aa\",\"batch\":1,\"messages\":[],\"extra\":1}"
post "another cluster" 421 "$(envelope 0123456789abcdef 2 1 '')"
post "another recipient" 421 "$(envelope "$id" 2 3 '')"
post "a stranger" 421 "$(envelope "$id" 9 1 '')"
post "an index beyond all numbers" 400 "$(envelope "$id" 2 1 '{"type":"append","term":1,"previous":{"index":18446744073709551615,"term":1},"commit":0,"entries":[{"term":1,"kind":"noop","payload_b64":""}]}')"
post "a vote asked for in the last of all terms" 200 "$(envelope "$id" 2 1 '{"type":"vote_request","term":18446744073709551615,"last":{"index":99,"term":99},"transfer":true}')"
sleep 0.3
same "nothing of that changed term or leader" "$before" "$(get "$(url 1)/raft" | jq -c '[.term, .leader]')"
post "a pre-vote of an old term, by hand" 200 "$(envelope "$id" 2 1 '{"type":"pre_vote_request","term":0,"last":{"index":0,"term":0},"transfer":false}')"
check "is answered in JSON" jq -e .messages "$WORK/answer"
same "a part of a snapshot that is not there" 404 "$(status -H 'Range: bytes=0-10' "$(url 1)/peer/snapshots/7-7")"
same "a snapshot without a range" 400 "$(status "$(url 1)/peer/snapshots/7-7")"
same "an unknown path" 404 "$(status "$(url 1)/peer/other")"
same "and the cluster takes writes" 201 "$(status -X PUT "$(url 2)/kv/still" -d here)"

# A trace goes with a write from a follower to the leader, and with a message.
leading=$(leader)
following=$((leading % 3 + 1))
trace=4bf92f3577b34da6a3ce929d0e0e4736
caller=00f067aa0ba902b7
# traced HEADER CURL-ARGUMENT...: the span that the answer tells; nothing if it tells none of this trace
traced() { local header=$1; shift; get -D - -o "$WORK/answer" -H "traceparent: $header" -H "tracestate: shop=1" "$@" | tr -d '\r' | sed -n "s/^traceparent: 00-$trace-\([0-9a-f]\{16\}\)-01\$/\1/p"; }
span=$(traced "00-$trace-$caller-01" -X PUT "$(url "$following")/kv/traced" -d x)
check "a traced write on a follower is answered with a span of its own" test -n "$span" -a "$span" != "$caller"
check "the follower's log names both spans" grep -q "PUT /kv/{key...}: 201 in .* parent_id=$caller .*span_id=$span trace_id=$trace" "$WORK/n$following.log"
check "the leader's log names the follower's span" grep -q "took a write from n$following .*parent_id=$span .*trace_id=$trace" "$WORK/n$leading.log"
same "a trace of a later version is understood" 16 "$(traced "cc-$trace-$caller-01-more" -X PUT "$(url "$leading")/kv/traced" -d y | tr -d '\n' | wc -c)"
same "a malformed trace is none" "" "$(traced "00-$trace-0000000000000000-01" -X PUT "$(url "$following")/kv/traced" -d z)"
span=$(traced "00-$trace-$caller-01" "$(url "$following")/messages/n$leading" -d hello)
inbox=$(get "$(url "$leading")/inbox/n$leading?wait=5s&ack=auto" | jq -c '.items[0] | [.body, .tracestate, (.traceparent | split("-")[1])]')
same "a message brings its trace along" "[\"hello\",\"shop=1\",\"$trace\"]" "$inbox"
check "the recipient's log names the sender's span" grep -q "message from .*parent_id=$span .*trace_id=$trace" "$WORK/n$leading.log"

# timing NODE TARGET CURL-ARGUMENT...: the stages that Server-Timing tells
timing() { local target; target=$(url "$1")$2; shift 2; get -D - -o "$WORK/answer" "$@" "$target" | tr -d '\r' | sed -n 's/^Server-Timing: //p' | sed 's/;dur=[0-9]*\.[0-9]*//g'; }
same "a follower explains a write by what it measured" "queue, forward, apply, total" "$(timing "$following" "/kv/a?explain" -X PUT -d 1)"
case $(timing "$leading" "/kv/a?explain" -X PUT -d 2) in
    "queue, fsync, replicate, apply, total" | "queue, replicate, apply, total") ok "and so does the leader" ;;
    *) bad "the leader explains: $(jq -c .explain "$WORK/answer")" ;;
esac
same "a read is explained" "readindex, total" "$(timing "$following" "/kv/a?explain")"
same "and a stale one" "total" "$(timing "$following" "/kv/a?explain&consistency=stale")"
