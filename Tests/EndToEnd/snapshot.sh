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
# The log is cut by whole segments of 64 MiB below the older of two checkpoints, which are written at 16 MiB/s.
for _ in $(seq 300); do
    first=$(get "$(url "$l")/raft" | jq .first_index)
    [ "$first" -gt 1 ] && break
    sleep 0.2
done
check "the leader has cut its log (it begins at $first)" [ "$first" -gt 1 ]

start "$f" --snapshot-log-size 16MiB
sleep 0.3
end 9 "$f"
start "$f" --snapshot-log-size 16MiB
wait_ready
for _ in $(seq 150); do
    [ "$(get "$(url "$f")/state" | jq .revision)" = "$(get "$(url "$l")/state" | jq .revision)" ] && break
    sleep 0.2
done
check "the follower installed a checkpoint" [ "$(get "$(url "$f")/raft" | jq .checkpoint_index)" -gt 1 ]
for i in "$l" "$f"; do
    get -H 'Accept: application/x-ndjson' "$(url "$i")/kv?prefix=&consistency=stale" | cksum >"$WORK/sum.$i"
done
check "both hold the same" cmp -s "$WORK/sum.$l" "$WORK/sum.$f"
same "all keys are there" 40000 "$(get "$(url "$f")/kv?prefix=&count" | jq .count)"
check "the follower can lead" [ "$(status -X POST "$(url "$l")/leader/transfer?to=n$f")" = 200 ]
same "and write" 201 "$(status -X PUT "$(url "$f")/kv/after" -d x)"
