#!/usr/bin/env bash
# Messages to all nodes: atomic ones are in the same order everywhere, whoever sent them and whoever died; the others
# keep their promises over links that lose, double and reorder datagrams.
. "$(dirname "$0")/lib.sh"
start_all --enable-faults
wait_ready
# What a node's inbox holds of a channel, in its order: bodies, or ids with `id`.
has_line() { heard "$1" causal | grep -qx "$2"; }
heard() { get "$(url "$1")/inbox/n$1?channel=$2&max=1000" | jq -r ".items[] | .${3:-body}"; }
has() { [ "$(heard "$1" "$2" | wc -l)" -ge "$3" ]; }
tell() { get -X POST "$(url "$1")/broadcast?abstraction=atomic&channel=$2&timeout=10s" "${@:4}" -d "$3"; }

answer=$(tell 2 first hello)
same "the answer names the abstraction" atomic "$(jq -r .abstraction <<<"$answer")"
for i in $NODES; do
    within 10 has "$i" first 1 || true
    same "n$i hears it" "hello" "$(heard "$i" first)"
    same "n$i knows it by its id" "$(jq -r .id <<<"$answer")" "$(heard "$i" first id)"
done
tell 1 once same -H 'Idempotency-Key: b1' >/dev/null
tell 3 once same -H 'Idempotency-Key: b1' >/dev/null
within 10 has 2 once 1 || true
same "a repeat under its key says nothing anew" 1 "$(heard 2 once | wc -l)"

# Three senders at once, and the leader dies in between. What is refused or unknown is said again under its key.
for i in $NODES; do
    for n in $(seq 40); do
        for try in $(seq 30); do
            curl -fs -m 12 -o "$WORK/said.$i" -X POST -H "Idempotency-Key: s$i-$n" \
                "$(url $(((i + try) % 3 + 1)))/broadcast?abstraction=atomic&channel=all&from=s$i" -d "s$i-$n" && break
            sleep 0.1
        done
    done &
    senders+=" $!"
done
sleep 0.7
l=$(leader)
end 9 "$l"
for pid in $senders; do wait "$pid" || bad "a sender ended with $?"; done
start "$l" --enable-faults
wait_ready
a=$((l % 3 + 1))
b=$((a % 3 + 1))
has_last() { [ "$(heard "$1" all | tail -n 1)" = last ]; }
for i in $a $b; do within 20 has "$i" all 120 || true; done
applied_all() { [ "$(get "$(url "$l")/raft" | jq .applied_index)" = "$(get "$(url "$a")/raft" | jq .applied_index)" ]; }
within 20 applied_all || true
for i in $NODES; do heard "$i" all >"$WORK/all.$i"; done
same "each of the 120 was heard once" "120 120" "$(wc -l <"$WORK/all.$a") $(sort -u "$WORK/all.$a" | wc -l)"
check "in the same order by those that stayed" cmp -s "$WORK/all.$a" "$WORK/all.$b"
# Inboxes are in memory: a new process has what was applied since it began.
tell "$a" all last >/dev/null
for i in $NODES; do within 10 has_last "$i" || bad "n$i does not hear the last one"; heard "$i" all >"$WORK/all.$i"; done
late=$(wc -l <"$WORK/all.$l")
check "the leader that died heard the last $late in that order" cmp -s <(tail -n "$late" "$WORK/all.$a") "$WORK/all.$l"
for i in $NODES; do
    check "those of one sender are in its order" cmp -s <(grep "^s$i-" "$WORK/all.$a") <(seq -f "s$i-%g" 40)
done

# Over links, through loss, duplication and reordering; no leader has a part in it.
spread() { curl -fs -m 10 -X POST "$(url "$1")/broadcast?abstraction=$2&channel=$2" -d "$3"; }
for i in $NODES; do
    get -X PUT "$(url "$i")/faults/links/*/*?ttl=60s" --json '{"drop":0.3,"duplicate":0.2,"reorder":0.3}' >/dev/null
done
for kind in best_effort reliable uniform causal; do
    for n in $(seq 20); do
        for i in $NODES; do spread "$i" "$kind" "$i-$n" >/dev/null || bad "$kind $i-$n is not taken"; done
    done
    for i in $NODES; do within 20 has "$i" "$kind" 60 || true; done
    for i in $NODES; do heard "$i" "$kind" >"$WORK/$kind.$i"; done
    for i in $NODES; do
        same "$kind: n$i heard each of the 60 once" "60 60" "$(wc -l <"$WORK/$kind.$i") $(sort -u "$WORK/$kind.$i" | wc -l)"
    done
done
for i in $NODES; do
    for sender in $NODES; do
        same "causal: n$i heard those of n$sender in its order" "$(seq -f "$sender-%g" 20)" "$(grep "^$sender-" "$WORK/causal.$i")"
    done
done
# A question and its answer: who hears the answer has heard the question.
for n in $(seq 15); do
    spread 1 causal "question-$n" >/dev/null
    within 10 has_line 2 "question-$n" && spread 2 causal "answer-$n" >/dev/null
done
within 20 has 3 causal 90 || true
heard 3 causal >"$WORK/talk"
early=0
for n in $(seq 15); do
    [ "$(grep -n "^question-$n\$" "$WORK/talk" | cut -d: -f1)" -lt "$(grep -n "^answer-$n\$" "$WORK/talk" | cut -d: -f1)" ] || early=$((early + 1))
done
same "causal: n3 heard no answer before its question" 0 "$early"
for i in $NODES; do get -X DELETE "$(url "$i")/faults" >/dev/null; done
check "links had to send again" [ "$(get "$(url 1)/state" | jq '[.links[].datagrams.rungs.perfect.retransmitted] | add')" -gt 0 ]
check "and dropped duplicates" [ "$(get "$(url 1)/state" | jq '[.links[].datagrams.rungs.perfect.duplicates_dropped] | add')" -gt 0 ]
check "metrics count them" [ "$(get "$(url 1)/metrics" | grep -c '^parley_link_messages_total{rung="perfect",event="retransmitted"} [1-9]')" = 1 ]

f=$(($(leader) % 3 + 1))
for i in $NODES; do [ "$i" = "$f" ] || end 9 "$i"; done
# Alone: what needs nobody is heard here, what needs a majority is not.
for kind in best_effort reliable uniform causal; do spread "$f" "$kind" alone >/dev/null || bad "$kind is not taken alone"; done
sleep 1
for kind in best_effort reliable causal; do same "$kind is heard by its sender alone" alone "$(heard "$f" "$kind" | tail -n 1)"; done
check "uniform is not, without a majority" [ "$(heard "$f" uniform | tail -n 1)" != alone ]
same "without a majority nothing is said" 503 "$(status -X POST "$(url "$f")/broadcast?abstraction=atomic&timeout=2s" -d x)"
same "without an abstraction" 400 "$(status -X POST "$(url "$f")/broadcast" -d x)"
same "one that is none" 400 "$(status -X POST "$(url "$f")/broadcast?abstraction=magic" -d x)"
head -c 65537 /dev/zero >"$WORK/big"
head -c 1100 /dev/zero >"$WORK/long"
same "too much for a datagram" 413 "$(status -X POST "$(url "$f")/broadcast?abstraction=reliable" --data-binary "@$WORK/long")"
same "too much" 413 "$(status -X POST "$(url "$f")/broadcast?abstraction=atomic" --data-binary "@$WORK/big")"
