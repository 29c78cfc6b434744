#!/usr/bin/env bash
# Faults on links by API: the five experiments of Sources/parley/parley.docc/Experiments.md, and what is refused.
. "$(dirname "$0")/lib.sh"
start_all --enable-faults
wait_ready
JSON=(-H 'Content-Type: application/json')
until_true() { local try; for try in $(seq 100); do "$@" && return; sleep 0.1; done; return 1; }
names() { jq -c '[.applied_on, .unreachable, .refused]'; }
leads() { local name; name=$(curl -s -m 2 "$1/leader" | jq -r '.name // empty'); [ -n "$name" ] && [ "$name" != "${2:-}" ]; }
no_faults() { [ "$(curl -s -m 2 "$1/faults" | jq '.items | length')" = 0 ]; }
# time_of CURL-ARGUMENT...: the status, and how many milliseconds it took
time_of() { curl -s -m 15 -o /dev/null -w '%{http_code} %{time_total}\n' "$@" | awk '{ printf "%s %d\n", $1, $2 * 1000 }'; }
roles() { l=$(leader); L=$(url "$l"); f=$((l % 3 + 1)); F=$(url "$f"); g=$((f % 3 + 1)); G=$(url "$g"); }

# 1. The leader is cut off from both others.
roles
same "a write before" 201 "$(status -X PUT "$L/kv/a" -d before)"
began=$SECONDS
all='[["n1","n2","n3"],[],[]]'
same "1: the leader is cut off: all nodes know, also over the cut" "$all" \
    "$(curl -s -X POST "$L/faults/partition?ttl=8s" "${JSON[@]}" -d "{\"groups\":[[\"n$l\"]]}" | names)"
check "1: the others elect another one" until_true leads "$F" "n$l"
same "1: writes go on there" 200 "$(status -X PUT "$F/kv/a" -d after)"
same "1: the old leader answers no linearizable read" 503 "$(status "$L/kv/a?timeout=500ms")"
same "1: nor takes it a write that it could not keep" 1 "$(status -X PUT "$L/kv/b?timeout=500ms" -d lost | grep -c '50[34]')"
same "1: its stale reads show the past" before "$(get "$L/kv/a?consistency=stale")"
same "1: the cut is seen in health, state and metrics" "1 1 1" \
    "$(curl -s "$L/health" | jq .faults.active) $(get "$F/state" | jq .faults.active) $(get "$G/metrics" | sed -n 's/^parley_faults_active //p')"
check "1: and what it blocks is counted" [ "$(get "$L/faults" | jq '.items[0].hits.blocked')" -gt 0 ]
check "1: and the link is down" [ "$(get "$L/state" | jq -r ".links.n$f.state")" = down ]
check "1: it heals by itself" until_true no_faults "$L"
took=$((SECONDS - began))
check "1: after its time ($took s)" [ "$took" -ge 7 ]
healed() { [ "$(curl -s -m 2 "$L/kv/a?timeout=1s")" = after ]; }
check "1: and the old leader reads what it has missed" until_true healed
check "1: the log tells its beginning and its end" [ "$(grep -c 'fault n[0-9]-1 .*\(acts for 8000 ms\|has healed by itself\)' "$WORK/n$l.log")" = 2 ]

# 2. What the leader says does not reach one follower; what that one says reaches everybody.
wait_ready
roles
term=$(get "$L/leader" | jq .term)
same "2: a one-way cut" "$all" \
    "$(curl -s -X POST "$G/faults/partition?ttl=60s" "${JSON[@]}" -d "{\"from\":[\"n$l\"],\"to\":[\"n$f\"]}" | names)"
lost() { [ "$(status "$F/leader")" = 503 ]; }
check "2: the follower has lost its leader" until_true lost
same "2: writes go on" 200 "$(status -X PUT "$G/kv/a" -d "one way")"
sleep 2
same "2: the follower wants to be elected, and nobody who hears the leader agrees" "n$l $term" "$(get "$G/leader" | jq -r '"\(.name) \(.term)"')"
same "2: the follower's copy stays behind" after "$(get "$F/kv/a?consistency=stale")"
same "2: it is healed by hand" "$all" "$(curl -s -X DELETE "$F/faults" | names)"
follows() { [ "$(curl -s -m 2 "$F/kv/a?timeout=1s")" = "one way" ]; }
check "2: and the follower is current again" until_true follows

# 3. All links lose 30 %, and take 50 ms.
wait_ready
roles
for n in $(seq 5); do time_of -X PUT "$L/kv/c" -d "$n"; done | sort -n -k 2 >"$WORK/fast"
same "3: links that lose and delay" 201 \
    "$(status -X PUT "$L/faults/links/*/*" "${JSON[@]}" -d '{"drop":0.3,"delay_ms":50,"seed":7,"ttl":"60s"}')"
for n in $(seq 20); do time_of --retry 3 -X PUT -H "Idempotency-Key: c$n" "$L/kv/c?timeout=10s" -d "$n"; done | sort -n -k 2 >"$WORK/slow"
same "3: twenty writes succeed" 20 "$(grep -c '^20[01]' "$WORK/slow")"
fast=$(awk 'NR == 3 { print $2 }' "$WORK/fast") slow=$(awk 'NR == 10 { print $2 }' "$WORK/slow")
check "3: and take as long as two ways need (median $slow ms, before $fast ms)" [ "$slow" -ge 100 ]
check "3: some messages were lost ($(get "$L/faults" | jq -c .items[0].hits))" [ "$(get "$L/faults" | jq '.items[0].hits.dropped')" -gt 0 ]
same "3: the same link once more is the same fault" "200 1" \
    "$(status -X PUT "$G/faults/links/*/*?ttl=60s" "${JSON[@]}" -d '{"duplicate":1,"reorder":0.5}') $(get "$F/faults" | jq '.items | length')"
for n in $(seq 10); do status -X POST "$L/kv/count?op=incr&by=1" >>"$WORK/counts"; done
same "3: doubled messages count once" 10 "$(get "$L/kv/count")"
check "3: although they came twice" [ "$(get "$L/faults" | jq '.items[0].hits.duplicated')" -gt 0 ]
curl -s -o /dev/null -X DELETE "$F/faults"

# 4. The leader stands still.
wait_ready
roles
same "4: a pause" "$all" "$(curl -s -X POST "$F/faults/nodes/n$l/pause?for=4s" | names)"
same "4: nobody is answered there" 000 "$(curl -s -m 0.5 -o /dev/null -w '%{http_code}' "$L/livez" || true)"
time_of "$L/livez" >"$WORK/waited" & WAITED=$!
check "4: the others elect another one" until_true leads "$F" "n$l"
same "4: writes go on there" 200 "$(status -X PUT "$F/kv/a" -d paused)"
wait "$WAITED"
read -r code took <"$WORK/waited"
check "4: a client that waits is answered when it is over ($took ms)" [ "$code" = 200 ] && [ "$took" -ge 1000 ]
saw() { [ "$(curl -s -m 2 "$L/kv/a?timeout=1s")" = paused ]; }
check "4: and the old leader follows" until_true saw

# 5. A follower is away while writes go on.
wait_ready
roles
"$PARLEY_BIN" fault partition "n$f" / "n$l,n$g" --ttl 60s --endpoints "$G" >"$WORK/cut"
same "5: a partition from the command line" "$all" "$(names <"$WORK/cut")"
before=$(get "$F/kv/a?consistency=stale")
for n in $(seq 100); do echo "{\"key\":\"away/$n\",\"value\":\"$n\"}"; done >"$WORK/lines"
for n in $(seq 5); do curl -s -o /dev/null "$G/kv" --data-binary "@$WORK/lines"; done
same "5: writes go on without it" 200 "$(status -X PUT "$G/kv/a" -d away)"
same "5: it does not know of them" "$before 0" "$(get "$F/kv/a?consistency=stale") $(get "$F/kv?prefix=away/&count&consistency=stale" | jq .count)"
is_gone() { local i; for i in "$L" "$G"; do get "$i/members/n$f" | jq -e '.lag_entries > 0 and .alive != "alive"' >/dev/null && return; done; return 1; }
check "5: the leader sees that it is gone, and how far behind" until_true is_gone
id=$(jq -r .id "$WORK/cut")
same "5: healed by its id" "[\"$id\"]" "$("$PARLEY_BIN" fault heal "$id" --endpoints "$F" | jq -c .healed)"
caught_up() { [ "$(curl -s -m 2 "$F/kv/a?consistency=stale")" = away ]; }
check "5: it catches up" until_true caught_up
same "5: with all of them" 100 "$(get "$F/kv?prefix=away/&count&consistency=stale" | jq .count)"

# What is refused.
refused() { same "$1" "$2" "$(curl -s "${@:3}" | jq -r .code)"; }
refused "a node that is none" member_not_found -X PUT "$F/faults/links/n1/n9?ttl=1s" -d '{"block":true}'
refused "a fault that is none" fault_not_found -X DELETE "$F/faults/n7-7"
refused "a fault without an end" invalid -X PUT "$F/faults/links/n1/n2" -d '{"block":true}'
refused "an order that is none" bad_request -X POST "$F/peer/faults" -d hello
for n in $(seq 260); do printf 'next\nurl = "%s/faults/partition?ttl=60s"\noutput = "%s/many-%s"\ndata = "{\\"from\\":[\\"n1\\"],\\"to\\":[\\"n2\\"]}"\n' "$F" "$WORK" "$n"; done | sed 1d >"$WORK/many"
curl -s -K "$WORK/many"
same "there is a limit" "256 4" "$(grep -l '"one_way"' "$WORK"/many-* | wc -l) $(grep -l too_many_faults "$WORK"/many-* | wc -l)"
same "and all of them are ended at once" 256 "$(curl -s -X DELETE "$G/faults" | jq '.healed | length')"
end TERM 3
start 3
wait_ready
refused "a node without faults" feature_disabled "$(url 3)/faults"
same "which others are told" '[["n1","n2"],[],["n3"]]' "$(curl -s -X PUT "$(url 1)/faults/links/n1/n2?ttl=1s" -d '{"drop":0.1}' | names)"
end KILL 3
same "and so they are of a node that is gone" '[["n1","n2"],["n3"],[]]' "$(curl -s -X PUT "$(url 1)/faults/links/n1/n2?ttl=1s" -d '{"drop":0.1}' | names)"
