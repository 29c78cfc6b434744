#!/usr/bin/env bash
# Messages to all nodes: atomic ones are in the same order everywhere, whoever sent them and whoever died.
. "$(dirname "$0")/lib.sh"
start_all
wait_ready
# What a node's inbox holds of a channel, in its order: bodies, or ids with `id`.
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
start "$l"
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

f=$(($(leader) % 3 + 1))
for i in $NODES; do [ "$i" = "$f" ] || end 9 "$i"; done
same "without a majority nothing is said" 503 "$(status -X POST "$(url "$f")/broadcast?abstraction=atomic&timeout=2s" -d x)"
same "without an abstraction" 400 "$(status -X POST "$(url "$f")/broadcast" -d x)"
same "one that is none" 400 "$(status -X POST "$(url "$f")/broadcast?abstraction=magic" -d x)"
head -c 65537 /dev/zero >"$WORK/big"
same "too much" 413 "$(status -X POST "$(url "$f")/broadcast?abstraction=atomic" --data-binary "@$WORK/big")"
