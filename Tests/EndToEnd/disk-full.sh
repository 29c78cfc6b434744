#!/usr/bin/env bash
# A full disk: writes are refused with "applied":"no", reads go on, and when there is room again the node goes on by
# itself. Needs root for a small file system; says so and passes over it otherwise.
. "$(dirname "$0")/lib.sh"
if [ "$(id -u)" != 0 ] || ! mkdir -p "$WORK/n1" || ! mount -t tmpfs -o size=500m parley "$WORK/n1" 2>/dev/null; then
    say "left out: needs root and a tmpfs"
    exit 0
fi
unmount() { end_all; umount "$WORK/n1" 2>/dev/null || umount -l "$WORK/n1"; finish; }
trap unmount EXIT
NODES=1
start 1
wait_ready
get -X PUT "$(url 1)/kv/before" -d kept >/dev/null
# Whatever room is left goes to another file, so that no spare segment can be made.
dd if=/dev/zero of="$WORK/n1/filler" bs=1M 2>/dev/null || true
head -c 1000000 /dev/zero | tr '\0' x >"$WORK/value"
refused=
for n in $(seq 200); do
    code=$(curl -s -m 10 -o "$WORK/answer" -w '%{http_code}' -X PUT "$(url 1)/kv/fill/$n" --data-binary "@$WORK/value")
    if [ "$code" = 503 ]; then refused=$n; break; fi
done
check "writes are refused when the disk is full (after ${refused:-no} writes)" [ -n "$refused" ]
same "the refusal's code" storage_full "$(jq -r .code "$WORK/answer")"
same "and it says that nothing was written" no "$(jq -r .applied "$WORK/answer")"
same "what was refused is not there" 404 "$(status "$(url 1)/kv/fill/$refused")"
same "reads go on" kept "$(get "$(url 1)/kv/before")"
same "and the node says that it is not ready" 503 "$(status "$(url 1)/readyz")"
rm "$WORK/n1/filler"
for _ in $(seq 100); do
    code=$(status -X PUT "$(url 1)/kv/after" -d room)
    [ "$code" = 201 ] && break
    sleep 0.1
done
same "with room again it writes without a restart" 201 "$code"
same "nothing was lost" kept "$(get "$(url 1)/kv/before")"
end 9 1
start 1
wait_ready
same "nor after a crash" room "$(get "$(url 1)/kv/after")"
