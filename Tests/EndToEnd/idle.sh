#!/usr/bin/env bash
# What a cluster costs while nobody uses it, and with many connections that say nothing.
. "$(dirname "$0")/lib.sh"
start_all
wait_ready
ticks() { local i sum=0; for i in $NODES; do sum=$((sum + $(awk '{print $14+$15}' "/proc/${PID[$i]}/stat"))); done; echo $sum; }
sleep 2
before=$(ticks)
sleep 10
used=$(($(ticks) - before))
check "three idle nodes used $used hundredths of a second of CPU in 10 s (2 % of a core: 20)" [ "$used" -le 20 ]

limit=$(ulimit -Hn)
wanted=10000
[ "$limit" != unlimited ] && [ "$limit" -lt 12000 ] && wanted=$((limit / 2))
ulimit -n $((wanted + 500)) 2>/dev/null || wanted=500
for n in $(seq "$wanted"); do exec {fd}<>"/dev/tcp/127.0.0.1/$PORT" || break; done
check "$n idle connections are open" [ "$n" = "$wanted" ]
term=$(get "$(url 1)/leader" | jq .term)
same "a write goes on beside them" 201 "$(status -X PUT "$(url 1)/kv/beside" -d x)"
before=$(ticks)
sleep 5
check "and they cost nothing ($(($(ticks) - before)) hundredths in 5 s)" [ $(($(ticks) - before)) -le 20 ]
same "and nobody lost the lead" "$term" "$(get "$(url 1)/leader" | jq .term)"
