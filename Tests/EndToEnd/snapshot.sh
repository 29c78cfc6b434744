#!/usr/bin/env bash
# A follower that was away while the log was cut gets the leader's checkpoint over HTTP, and is killed while it does.
. "$(dirname "$0")/lib.sh"
start_all --snapshot-log-size 16MiB
wait_ready
l=$(leader)
f=$((l % 3 + 1))
end 9 "$f"
value=$(head -c 1000 /dev/zero | tr '\0' v)
for n in $(seq 40000); do printf '{"key":"k%d","value":"%s"}\n' "$n" "$value"; done >"$WORK/body"
for round in 1 2 3 4 5; do
    code=$(status --max-time 60 -X POST "$(url "$l")/kv?timeout=60s" -H 'Content-Type: application/x-ndjson' -H 'Expect:' --data-binary "@$WORK/body")
    same "import $round of 40000 keys" 200 "$code"
done
# The log is cut by whole segments of 64 MiB below the older of two checkpoints. They are written by a thread that
# gives way to everybody, and one that comes late covers all there is: so imports go on until a third one was written.
begins_after() { first=$(get "$(url "$l")/raft" | jq .first_index) && [ "$first" -gt "$1" ]; }
# Until the log is cut beyond an index, and no checkpoint is being written any more.
cut_beyond() {
    [ ! -e "$WORK/n$l/checkpoints/own.tmp" ] || return 1
    begins_after "$1" && return
    code=$(status --max-time 60 -X POST "$(url "$l")/kv?timeout=60s" -H 'Content-Type: application/x-ndjson' -H 'Expect:' --data-binary "@$WORK/body")
    [ "$code" = 200 ] || bad "an import is answered with $code"
    return 1
}
within 300 cut_beyond 1 || true
check "the leader has cut its log (it begins at $first)" [ "$first" -gt 1 ]

start "$f" --snapshot-log-size 16MiB
sleep 0.3
end 9 "$f"
start "$f" --snapshot-log-size 16MiB
wait_ready
as_far() { [ "$(get "$(url "$f")/state" | jq .revision)" = "$(get "$(url "$l")/state" | jq .revision)" ]; }
within 300 as_far || true
check "the follower installed a checkpoint" [ "$(get "$(url "$f")/raft" | jq .checkpoint_index)" -gt 1 ]
for i in "$l" "$f"; do
    get -H 'Accept: application/x-ndjson' "$(url "$i")/kv?prefix=&consistency=stale" | cksum >"$WORK/sum.$i"
done
check "both hold the same" cmp -s "$WORK/sum.$l" "$WORK/sum.$f"
same "all keys are there" 40000 "$(get "$(url "$f")/kv?prefix=&count" | jq .count)"
check "the follower can lead" [ "$(status -X POST "$(url "$l")/leader/transfer?to=n$f")" = 200 ]
same "and write" 201 "$(status -X PUT "$(url "$f")/kv/after" -d x)"

# A checkpoint goes bad on disk while its node runs. A follower that needs it must not depend on luck: with the
# third node gone nothing can be committed, so no later checkpoint comes by itself.
wait_ready
l=$(leader)
f=$((l % 3 + 1))
o=$((f % 3 + 1))
behind=$(get "$(url "$f")/raft" | jq .last_index)
end 9 "$f"
within 300 cut_beyond $((behind + 1)) || true
check "the leader has cut its log beyond the follower's (it begins at $first, the follower's ends at $behind)" [ "$first" -gt $((behind + 1)) ]
end 9 "$o"
file=$(find "$WORK/n$l" -name '*.checkpoint' | sort | tail -n 1)
dd if=/dev/urandom of="$file" bs=64 count=1 seek=$(($(stat -c %s "$file") / 128)) conv=notrunc status=none
start "$f" --snapshot-log-size 16MiB
is_ready() { [ "$(status "$(url "$f")/readyz")" = 200 ]; }
within 300 is_ready || true
same "the follower gets a new checkpoint in place of the damaged one" 200 "$(status "$(url "$f")/readyz")"
same "and the two can commit" 201 "$(status -X PUT "$(url "$f")/kv/mended" -d x)"
check "the damage is told" grep -q 'checkpoint .* is damaged' "$WORK/n$l.log"
check "and counted" [ "$(get "$(url "$l")/metrics" | awk '$1 == "parley_checkpoints_damaged_total" { print $2 }')" -ge 1 ]
