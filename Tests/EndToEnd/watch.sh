#!/usr/bin/env bash
# Streams of changes on real sockets: every form, on every role, taken up again on other nodes while leaders are killed,
# read slowly, overtaken by compaction, and left alone.
. "$(dirname "$0")/lib.sh"
start_all
wait_ready
l=$(leader)
revision() { get "$(url "$l")/kv?prefix=&count" | jq .revision; }
put() { get -X PUT "$(url "$l")/kv/$1" -d "$2" >/dev/null; }
metric() { get "$(url "$1")/metrics" | awk -v m="$2" '$1 == m { print $2 }'; }
# soon SECONDS COMMAND...: the command succeeds within that time
soon() { local tries=$(($1 * 20)); shift; for _ in $(seq "$tries"); do "$@" && return; sleep 0.05; done; return 1; }
is_metric() { [ "$(metric "$1" "$2")" = "$3" ]; }

# Every form on every node.
put config/db host=db1
for n in $NODES; do
    P=$(url "$n") from=$(($(revision) + 1))
    curl -sN -m 20 "$P/watch?prefix=config/&max=3" | while read -r l; do jq -r '.events[]?|"\(.type) \(.key)=\(.value)"' <<<"$l"; done >"$WORK/lines.$n" &
    curl -sN -m 20 -H 'Accept: text/event-stream' "$P/watch?prefix=&max=3" >"$WORK/events.$n" &
    curl -sN -m 20 "$P/watch?max=3" --json '{"watches":[{"id":"x","prefix":"config/"},{"id":"y","key":"other"}]}' >"$WORK/many.$n" &
    jobs=$!
    soon 5 is_metric "$n" parley_watchers 3 || bad "n$n has $(metric "$n" parley_watchers) watches"
    put config/db "new$n"
    get -X DELETE "$(url "$l")/kv/config/db" >/dev/null
    put config/db host=db1
    put other x
    has_lines() { [ "$(wc -l <"$WORK/lines.$n")" = 3 ]; }
    wait "$jobs"; soon 5 has_lines || bad "not three lines"; soon 5 is_metric "$n" parley_watchers 0 || bad "n$n still has watches"
    same "lines on n$n" "put config/db=new$n|delete config/db=null|put config/db=host=db1|" "$(tr '\n' '|' <"$WORK/lines.$n")"
    same "events on n$n" "id: $from|id: $((from + 1))|id: $((from + 2))" "$(grep '^id: ' "$WORK/events.$n" | tail -3 | tr '\n' '|' | sed 's/|$//')"
    same "many ranges on n$n" "x x x" "$(jq -r .watch "$WORK/many.$n" | tr '\n' ' ' | sed 's/ $//')"
    same "from the past on n$n" "new$n host=db1" "$(get "$P/watch?key=config/db&from=$from&only=put&max=2" | jq -r '.events[].value' | tr '\n' ' ' | sed 's/ $//')"
    same "previous values on n$n" "new$n" "$(get "$P/watch?key=config/db&from=$((from + 1))&prev&max=1" | jq -r '.events[].prev.value')"
    same "items, then what follows, on n$n" "host=db1 true" "$(get "$P/watch?prefix=config/&snapshot&wait=200ms" | jq -rs '"\(.[0].items[0].value) \(.[1].snapshot_end)"')"
    same "a long poll without news on n$n" "$(revision)" "$(get "$P/watch?key=nothing&max=1&wait=300ms" | jq .bookmark)"
done
same "a revision to come" "$(($(revision) + 2))" "$(
    curl -sN -m 10 "$(url 1)/watch?prefix=&from=$(($(revision) + 2))&max=1" >"$WORK/future" & job=$!
    sleep 0.3; put a 1; put a 2; wait $job; jq .revision "$WORK/future")"
same "the contract's line for browsers" 1 "$(curl -sN -m 2 -H 'Accept: text/event-stream' -H 'Last-Event-ID: 3' "$(url 2)/watch?prefix=" | grep -c '^id: 4$' || true)"

# One consumer that goes from node to node, by the last id that it has, while leaders are killed and started again.
from=$(revision)
: >"$WORK/consumed"
(
    n=1
    while [ ! -e "$WORK/stop" ]; do
        last=$(grep '^id: ' "$WORK/consumed" | tail -1 | cut -c 5- || true)
        curl -sN -m 2 -H 'Accept: text/event-stream' -H "Last-Event-ID: ${last:-$from}" "$(url $n)/watch?prefix=seq/" >"$WORK/part" 2>/dev/null || true
        # What was cut off in the middle of an event counts for nothing.
        awk 'BEGIN { RS = ""; ORS = "\n\n" } /data: .*}$/' "$WORK/part" >>"$WORK/consumed"
        n=$((n % 3 + 1))
    done
) & consumer=$!
"$PARLEY_BIN" watch --endpoints "$(endpoints)" --prefix seq/ --from $((from + 1)) --timeout 20s >"$WORK/verb" 2>"$WORK/verb.log" & verb=$!
(
    for i in $(seq 400); do
        for try in $(seq 100); do
            curl -sf -m 5 -o /dev/null -X PUT "$(url $((RANDOM % 3 + 1)))/kv/seq/$i" -d "$i" && break
            sleep 0.1
        done
    done
) & writer=$!
for round in 1 2 3; do
    sleep 1.5
    l=$(leader)
    [ -n "$l" ] || continue
    end 9 "$l"
    sleep 1
    start "$l"
    wait_ready
done
wait "$writer"
l=$(leader)
wanted=$(get "$(url "$l")/watch?prefix=seq/&from=$((from + 1))&wait=1s" | jq -r '.revision as $r | .events[]? | "\($r) \(.key)"')
last=$(tail -1 <<<"$wanted" | cut -d ' ' -f 1)
soon 10 grep -q "^id: $last$" "$WORK/consumed" || bad "the consumer never saw revision $last"
touch "$WORK/stop"; wait "$consumer"
consumed=$(sed -n 's/^data: //p' "$WORK/consumed" | jq -r '.revision as $r | .events[]? | "\($r) \(.key)"')
check "400 keys were written ($(wc -l <<<"$wanted") changes)" [ "$(awk '{ print $2 }' <<<"$wanted" | sort -u | wc -l)" = 400 ]
check "taken up on other nodes through three leader kills: no gap, no repeat" cmp -s <(echo "$wanted") <(echo "$consumed")
soon 10 grep -q "^$last	" "$WORK/verb" || bad "parley watch never saw revision $last"
kill "$verb" 2>/dev/null || true; wait "$verb" 2>/dev/null || true
check "parley watch saw the same" cmp -s <(echo "$wanted") <(awk -F '\t' '{ print $1, $3 }' "$WORK/verb")

# A client that does not read, beside one that does.
n=$((l % 3 + 1))
head -c 200000 /dev/zero | tr '\0' v >"$WORK/large"
before=$(revision)
exec 3<>"/dev/tcp/127.0.0.1/$((PORT + n - 1))"
printf 'GET /watch?prefix=large HTTP/1.0\r\nHost: x\r\n\r\n' >&3
curl -sN -m 30 "$(url "$n")/watch?prefix=large&max=100&keys" >"$WORK/reader" & reader=$!
soon 5 is_metric "$n" parley_watchers 2 || bad "no two watches"
rss() { awk '/VmRSS/ { print $2 }' "/proc/${PID[$n]}/status"; }
start_rss=$(rss)
for i in $(seq 100); do get -X PUT "$(url "$l")/kv/large" --data-binary "@$WORK/large" >/dev/null; done
wait "$reader"
same "a client that reads is not held up by one that does not" 100 "$(jq -r .revision "$WORK/reader" | wc -l)"
same "the one that does not is behind" 1 "$(metric "$n" parley_watchers_behind)"
check "and costs little (20 MB were written, the node grew by $((($(rss) - start_rss) / 1024)) MiB, history among it)" \
    [ $(($(rss) - start_rss)) -lt 65536 ]
timeout 5 cat <&3 >"$WORK/stalled" || true
exec 3>&-
same "when it reads, it is given everything" "$(seq $((before + 1)) $((before + 100)) | cksum)" \
    "$(tr -d '\r' <"$WORK/stalled" | grep '^{"revision"' | sed 's/,.*//; s/.*://' | cksum)"

# Compaction: told before and within a stream.
exec 3<>"/dev/tcp/127.0.0.1/$((PORT + n - 1))"
printf 'GET /watch?prefix=large HTTP/1.0\r\nHost: x\r\n\r\n' >&3
soon 5 is_metric "$n" parley_watchers 1 || bad "no watch"
for i in $(seq 60); do get -X PUT "$(url "$l")/kv/large" --data-binary "@$WORK/large" >/dev/null; done
compact=$(get -X POST "$(url "$l")/compact?keep=0" | jq .compact_revision)
soon 5 is_metric "$n" parley_store_revision "$compact" || bad "n$n is late"
same "410 with the revision to begin with" "410 $((compact + 1))" \
    "$(curl -s -m 5 -w ' %{http_code}' "$(url "$n")/watch?prefix=&from=$compact" -o "$WORK/gone" | tr -d ' ') $(jq .first_revision "$WORK/gone")"
timeout 5 cat <&3 >"$WORK/stalled" || true
exec 3>&-
same "a stream that compaction overtook says so" "compacted $compact" \
    "$(tail -1 "$WORK/stalled" | jq -r '"\(.error.code) \(.error.compact_revision)"')"
same "up to there it has no gap" 1 "$(tr -d '\r' <"$WORK/stalled" | grep '^{"revision"' | sed 's/,.*//; s/.*://' | awk 'NR > 1 && $1 != last + 1 { gap = 1 } { last = $1 } END { print gap ? 0 : 1 }')"

# What is left of a stream that was ended, and of one whose node stops.
for i in $(seq 20); do curl -sN -m 60 "$(url "$n")/watch?prefix=&snapshot" >/dev/null & pids[i]=$!; done
soon 5 is_metric "$n" parley_watchers 20 || bad "not twenty watches"
kill "${pids[@]}"
check "a second after the clients are gone nothing is left" soon 1 is_metric "$n" parley_watchers 0
curl -sN -m 60 "$(url "$n")/watch?prefix=" >"$WORK/bye" & job=$!
soon 5 is_metric "$n" parley_watchers 1 || bad "no watch"
end TERM "$n"
wait "$job" && code=0 || code=$?
same "a node that stops says so, and the stream ends well" "shutting_down 0" "$(tail -1 "$WORK/bye" | jq -r .bye) $code"
