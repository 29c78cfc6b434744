#!/usr/bin/env bash
# `parley check` against a live cluster: a quiet one and one that is broken on purpose must be found linearizable; a
# history in which an answer or a label was falsified must be convicted, with the evidence printed.
. "$(dirname "$0")/lib.sh"
export PARLEY_ENDPOINTS; PARLEY_ENDPOINTS=$(endpoints)

# judged CODE FIELD=VALUE FLAG...: `parley check --json` exits with CODE and its answer has the value
judged() {
    local code=$1 field=${2%%=*} value=${2#*=} got=0
    shift 2
    timeout 50 "$PARLEY_BIN" check --json "$@" >"$WORK/verdict" 2>"$WORK/told" </dev/null || got=$?
    if [ "$got" = "$code" ] && [ "$(jq -r "$field" "$WORK/verdict")" = "$value" ]; then
        ok "check $*: $(jq -c '{verdict, operations, answered, refused, unknown, judging_ms}' "$WORK/verdict")"
    else
        bad "check $*: wanted exit $code and $field $value, got $got: $(cat "$WORK/verdict" "$WORK/told")"
    fi
}
holds() { jq -e "$1" "$2" >/dev/null; } # holds FILTER FILE
refused() { # refused CODE PATTERN FLAG...: exits with CODE and says one line that fits
    local code=$1 pattern=$2 out got=0
    shift 2
    out=$(timeout 20 "$PARLEY_BIN" check "$@" 2>&1 >/dev/null </dev/null) || got=$?
    if [ "$got" = "$code" ] && [ "$(wc -l <<<"$out")" = 1 ] && grep -qE -e "$pattern" <<<"$out"; then ok "refused ($code): $out"
    else bad "check $*: wanted exit $code and '$pattern', got $got: $out"; fi
}
# falsify NAME FILTER: the recorded history with a jq filter applied to its list of lines
falsify() { jq -sc "$2 | .[]" "$WORK/quiet.jsonl" >"$WORK/$1.jsonl"; }

refused 2 '--clients' --clients 0
refused 2 '--endpoints' --endpoints 127.0.0.1:x
refused 2 '--out' --out /proc/nowhere/x --history x
refused 2 'No such file' --history "$WORK/nothing"
printf '%s\n' '{"parley_history":1}' '{"id":0,"client":0,"invoked":1,"op":"jump"}' >"$WORK/odd.jsonl"
refused 2 'line 2: .*"jump"' --history "$WORK/odd.jsonl"
refused 5 'no verdict' --endpoints "$(url 9)"

start_all
wait_ready

judged 0 .verdict=linearizable --duration 4s --exclusive --seed 7 --out "$WORK/quiet.jsonl"
check "everything was answered" holds '.operations > 1000 and .answered == .operations' "$WORK/verdict"
same "its keys are gone" 0 "$(get "$(url 1)/kv?prefix=parley-check/&count" | jq .count)"
judged 0 .verdict=linearizable --history "$WORK/quiet.jsonl"

# A read tells what the key held before, although somebody was told of the write since then before the read began.
falsify stale '. as $all
    | first($all[] | select(.op == "get" and .consistency == null and .rev == null and .answer.value != null) as $late
        | select(any($all[]; .key == $late.key and .returned < $late.invoked
            and .answer.revision == $late.answer.revision))
        | $all[] | select(.op == "get" and .rev == null and .key == $late.key and .answer.value != null
            and .answer.revision < $late.answer.revision)
        | {id: $late.id, answer, at}) as $old
    | map(if .id == $old.id then . + $old else . end)'
judged 1 .verdict=violation --history "$WORK/stale.jsonl"
check "with the evidence as a timeline" holds '.counterexample.text | test("cannot be")' "$WORK/verdict"
# The same with no revisions told: the search alone has to find it.
jq -c 'if .answer then del(.at, .answer.revision, .answer.create_revision, .answer.version) else . end' \
    "$WORK/stale.jsonl" >"$WORK/bare.jsonl"
judged 1 .search=violation --history "$WORK/bare.jsonl"
same "of revisions that are not told nothing is said" undecided "$(jq -r .revisions "$WORK/verdict")"

# A write that was read is said not to have been applied.
falsify label '. as $all
    | (first($all[] | select(.op == "put" and .outcome == "ok" and .answer.revision != null) as $put
        | $all[] | select(.op == "get" and .key == $put.key and .answer.value == $put.value) | $put.id)) as $id
    | map(if .id == $id then del(.answer) | .outcome = "failed" | .reason = "no_leader" else . end)'
judged 1 .counterexample.kind=label --history "$WORK/label.jsonl"
code=0; "$PARLEY_BIN" check --history "$WORK/label.jsonl" >"$WORK/shown" || code=$?
same "exit code with a lie" 1 "$code"
check "the lie is shown" grep -qE 'violation \(label\): .*labelled as not applied' "$WORK/shown"

# Two nodes that know nothing of each other, taken for one cluster: what one was told the other can not know.
for i in 11 12; do
    "$PARLEY_BIN" serve --name "n$i" --listen "127.0.0.1:$((PORT + i))" --data-dir "$WORK/n$i" </dev/null >>"$WORK/n$i.log" 2>&1 &
    PID[$i]=$!
done
for i in 12 13; do for try in $(seq 50); do [ "$(status "$(url "$i")/readyz")" = 200 ] && break; sleep 0.1; done; done
judged 1 .verdict=violation --endpoints "$(url 12),$(url 13)" --duration 1s --out "$WORK/split.jsonl"
check "the keys of a violation stay" [ "$(get "$(url 12)/kv?prefix=parley-check/&count" | jq .count)" -gt 0 ]
end 9 11
end 9 12

# A signal ends the clients, not the verdict.
"$PARLEY_BIN" check --json --duration 60s --out "$WORK/cut.jsonl" >"$WORK/cut" 2>/dev/null </dev/null &
sleep 1.5
kill -TERM $!
code=0; wait $! || code=$?
same "exit code after a signal" 0 "$code"
check "and a verdict" holds '.verdict == "linearizable" and .operations > 500' "$WORK/cut"

break_things() { # beside a check: the leader killed twice, a follower paused
    local l f
    sleep 1.5; l=$(leader); f=$((l % 3 + 1))
    echo "kill n$l"; end 9 "$l"; sleep 1; start "$l"
    sleep 2; echo "pause n$f"; signal STOP "$f"; sleep 3; signal CONT "$f"
    sleep 1; l=$(leader); f=$((l % 3 + 1))
    echo "pause the leader n$l"; signal STOP "$l"; sleep 2; signal CONT "$l"
    sleep 0.5; l=$(leader); echo "kill n$l"; end 9 "$l"; sleep 1; start "$l"
}
timeout 50 "$PARLEY_BIN" check --json --duration 15s --clients 20 --exclusive --timeout 1s --out "$WORK/broken.jsonl" \
    >"$WORK/verdict" 2>"$WORK/told" </dev/null &
checker=$!
break_things
code=0; wait "$checker" || code=$?
same "exit code with nodes killed and paused" 0 "$code"
say "$(jq -c '{verdict, operations, answered, refused, unknown, judging_ms}' "$WORK/verdict"), $(tail -3 "$WORK/told" | tr '\n' ';')"
check "linearizable" holds '.verdict == "linearizable" and .answered > 3000' "$WORK/verdict"
check "some outcomes are unknown" holds '.unknown > 0' "$WORK/verdict"
check "also of writes" grep -qE '"op":"(put|delete|increment)".*"outcome":"unknown"' "$WORK/broken.jsonl"
judged 0 .verdict=linearizable --history "$WORK/broken.jsonl"
