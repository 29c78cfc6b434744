#!/usr/bin/env bash
# The peers' endpoint: what is not a message of this cluster changes nothing, and messages can be written by hand.
. "$(dirname "$0")/lib.sh"
start_all
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
