#!/usr/bin/env bash
# Who is there, in the opinion of each node: a crash, a pause and a way that is broken in one direction look different;
# and what time it is at the others. With a key, so that nobody else's datagrams count.
. "$(dirname "$0")/lib.sh"
head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$WORK/key"
start_all --cluster-key-file "$WORK/key" --enable-faults
wait_ready

about() { get "$(url "$1")/$2" | jq -r --arg n "n$3" ".members[] | select(.name == \$n) | .$4"; } # about OBSERVER VIEW NODE MEMBER
is() { [ "$(about "$1" "$2" "$3" "$4")" = "$5" ]; }
all_alive() { local i j; for i in $NODES; do for j in $NODES; do [ "$i" = "$j" ] || { is "$i" gossip "$j" state alive && is "$i" detector "$j" reach direct; } || return 1; done; done; }
check "everybody sees everybody" within 20 all_alive
check "the datagrams are taken" [ "$(get "$(url 1)/gossip" | jq .datagrams.received)" -gt 0 ]

# What time it is at the others.
offsets() { [ "$(get "$(url 1)/clock/skew" | jq '[.skew[].offsets[]] | length')" = 6 ]; }
check "every node knows how far the others' clocks are off, and tells" within 20 offsets
skew=$(get "$(url 2)/clock/skew")
check "on one machine that is nothing, within the error" jq -e '[.skew[].offsets[] | (.offset_ms | fabs) <= .error_ms + 1] | all' <<<"$skew" >/dev/null
same "and all three agree" '3 of 3' "$(jq -r '.agreement | "\(.agreeing) of \(.clocks)"' <<<"$skew")"

# A crash.
end KILL 3
check "a crashed node is dead for both of the others" within 20 is 1 gossip 3 state dead
check "(for the other one, too)" within 20 is 2 gossip 3 state dead
same "and silent" silent "$(about 1 detector 3 diagnosis)"
start 3 --cluster-key-file "$WORK/key" --enable-faults
check "a new process of it is alive" within 20 all_alive
check "the log tells why" grep -q 'n3: .* -> alive, a new process of it' "$WORK/n1.log"

# A pause.
deaths=$(get "$(url 2)/gossip" | jq .counters.deaths)
signal STOP 2
sleep 4
signal CONT 2
paused() { is 1 detector 2 diagnosis paused; }
check "a node that stood still says so" within 20 paused
check "and knows for how long" [ "$(get "$(url 2)/detector" | jq .own_pause.length_ms)" -ge 3000 ]
same "it took nobody for dead meanwhile" "$deaths" "$(get "$(url 2)/gossip" | jq .counters.deaths)"
check "it is alive for the others" within 20 is 1 gossip 2 state alive

# A way that is broken in one direction: nothing goes from n1 to n2, but n3 reaches both.
get -X PUT "$(url 1)/faults/links/n1/n2" --json '{"block":true,"ttl":"60s"}' >/dev/null
check "n1 hears n2, but gets no answers" within 30 is 1 detector 2 diagnosis oneway_to
same "n2 is alive for it, by way of n3" alive "$(about 1 gossip 2 state)"
get -X DELETE "$(url 1)/faults" >/dev/null
check "the way is mended" within 30 is 1 detector 2 reach direct

# What is not from one of us.
exec {udp}<>"/dev/udp/127.0.0.1/$PORT"
for junk in '' x '\001\000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' '\001\001aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' '\002'; do printf "$junk" >&"$udp" || true; done
head -c 2000 /dev/zero >&"$udp" || true
counted() { [ "$(get "$(url 1)/gossip" | jq -r '[.datagrams.refused[]] | add')" -ge 4 ]; }
check "rubbish is dropped and counted by its reason" within 10 counted
check "also in the metrics" grep -q 'parley_datagrams_refused_total{reason="unsealed"} 1' <(get "$(url 1)/metrics")

# Bad keys.
echo 123 >"$WORK/short"
code=0; "$PARLEY_BIN" serve --name a --data-dir "$WORK/a" --cluster-key-file "$WORK/short" >/dev/null 2>"$WORK/said" || code=$?
same "a key that is none is refused" 2 "$code"
check "by name" grep -q '32 hexadecimal digits' "$WORK/said"

# The command line.
export PARLEY_ENDPOINTS; PARLEY_ENDPOINTS=$(url 1)
same "parley gossip" n1 "$("$PARLEY_BIN" gossip | jq -r .node)"
same "parley gossip detector" 2 "$("$PARLEY_BIN" gossip detector | jq '.members | length')"
same "parley clock skew" 3 "$("$PARLEY_BIN" clock skew | jq '.skew | length')"

# An orderly end.
end TERM 3
check "who is told to stop has left" within 10 is 1 gossip 3 state left
