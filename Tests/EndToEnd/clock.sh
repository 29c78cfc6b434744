#!/usr/bin/env bash
# Wall clocks that jump by years while clients write: nobody loses the lead, no write fails.
. "$(dirname "$0")/lib.sh"
jump() { echo "$2" >"$WORK/clock$1.tmp" && mv "$WORK/clock$1.tmp" "$WORK/clock$1"; }
program=$PARLEY_BIN
cat >"$WORK/parley" <<EOF
#!/bin/sh
# The wrapper sets up what the preloaded library shares between threads; the file says what time it is.
exec faketime -f +0 env -u FAKETIME "$program" "\$@"
EOF
chmod +x "$WORK/parley"
PARLEY_BIN=$WORK/parley
# The wrapper stays the node's parent: both are named by the folder that only this test uses.
end_all() { pkill -9 -f -- "--data-dir $WORK/" || true; wait || true; PID=(); }
for i in $NODES; do
    jump "$i" "+0"
    # Timers go by the monotonic clock, which never jumps.
    FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_NO_CACHE=1 FAKETIME_TIMESTAMP_FILE="$WORK/clock$i" start "$i"
done
wait_ready
l=$(leader)
term=$(get "$(url "$l")/leader" | jq .term)
f=$((l % 3 + 1))
shown() { date -u -d "$(curl -sSI -m 10 "$(url "$1")/livez" | tr -d '\r' | sed -n 's/^[Dd]ate: //p')" +%s; }
written=0 refused=0
for step in "$l +1y" "$f -30d" "$f +10y" "$l -30d" "$l +10y" "$l +0"; do
    jump ${step}
    for n in $(seq 40); do
        code=$(status -X PUT "$(url $((n % 3 + 1)))/kv/clock" -d "$step $n")
        case $code in 200 | 201) written=$((written + 1)) ;; *) refused=$((refused + 1)) ;; esac
    done
    if [ "$step" = "$l +1y" ]; then
        check "the leader's clock really jumped" [ $(($(shown "$l") - $(date +%s))) -gt 30000000 ]
    fi
done
same "every write succeeded" "240 0" "$written $refused"
same "nobody lost the lead" "$term" "$(get "$(url "$l")/leader" | jq .term)"
same "the last write is there" "$l +0 40" "$(get "$(url "$f")/kv/clock")"
