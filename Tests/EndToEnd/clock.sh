#!/usr/bin/env bash
# Wall clocks that jump by years while clients write: nobody loses the lead, no write fails, and as long as most
# clocks are right the times of revisions are.
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
gone() { ! pgrep -f -- "--data-dir $WORK/" >/dev/null; }
end_all() { pkill -9 -f -- "--data-dir $WORK/" || true; wait || true; within 20 gone; PID=(); }
for i in $NODES; do
    jump "$i" "+0"
    # Timers go by the monotonic clock, which never jumps.
    FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_NO_CACHE=1 FAKETIME_TIMESTAMP_FILE="$WORK/clock$i" start "$i"
done
wait_ready
l=$(leader)
term=$(get "$(url "$l")/leader" | jq .term)
f=$((l % 3 + 1))
metric() { get "$(url "$1")/metrics" | awk -v name="$2" '$1 == name { print $2 }'; }
judged() { # judged NODE 0|1: whether the node takes its clock for wrong
    [ "$(metric "$1" parley_clock_wrong)" = "$2" ]
}
# Who knows one other clock only can't tell which of the two is wrong.
agreed() { [ "$(get "$(url "$1")/clock/skew" | jq '.agreement.agreeing')" = 3 ]; }
# How many seconds the time of the store's last revision is from the true one.
off() {
    local time
    time=$(get "$(url "$1")/kv/clock?history&limit=1000" | jq -r ".items[-1].time")
    time=$(($(date -u -d "$time" +%s) - $(date +%s)))
    echo "${time#-}"
}
for i in $NODES; do within 20 agreed "$i" || bad "node $i does not know the others' clocks"; done
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
        check "it is taken for wrong" within 10 judged "$l" 1
        check "the others' are not" judged "$f" 0
        check "the log says so" grep -q "clock is .* ahead of what most of the nodes agree on" "$WORK/n$l.log"
        check "and /clock" [ "$(get "$(url "$l")/clock" | jq '.physical | .synchronized == false and .correction_ms < -30000000000')" = true ]
        same "and /health" fail "$(get "$(url "$l")/health?full" | jq -r '.checks.clock[0].status')"
        check "the time of the last revision is right ($(off "$l") s off)" [ "$(off "$l")" -le 3 ]
        same "a hybrid time of now is taken" 200 "$(status -H "Parley-Clock: $(date -u +%FT%T.000Z)/0000" "$(url "$l")/kv/clock")"
    fi
done
same "every write succeeded" "240 0" "$written $refused"
same "nobody lost the lead" "$term" "$(get "$(url "$l")/leader" | jq .term)"
same "the last write is there" "$l +0 40" "$(get "$(url "$f")/kv/clock")"
