#!/usr/bin/env bash
# Leases with curl: every line of the contract, by a follower, by the leader and across a change of leaders; when
# they end; what becomes of one that is held when its client goes or somebody revokes it; and 10,000 that end at once.
. "$(dirname "$0")/lib.sh"

start_all
wait_ready
l=$(leader)
follower=$((l % 3 + 1))

now_ms() { echo $(($(date +%s%N) / 1000000)); }
# gone_after URL START: milliseconds from START until the URL is 404, looked at every 20 ms for 20 s at most
gone_after() {
    local try
    for try in $(seq 1000); do
        [ "$(status "$1")" = 404 ] && { echo $(($(now_ms) - $2)); return; }
        sleep 0.02
    done
    echo never
}
between() { # between NAME LOW HIGH GOT
    if [ "$4" != never ] && [ "$4" -ge "$2" ] && [ "$4" -le "$3" ]; then ok "$1 ($4 ms)"; else bad "$1: $4 ms, wanted $2 to $3"; fi
}

contract() { # contract NODE: the lines of the contract's section on leases
    local P L name="n$1" h
    P=$(url "$1") h=host$1
    L=$(curl -fsX POST "$P/leases?ttl=30s" | jq -r .id)
    same "$name grants an id" l- "${L:0:2}"
    same "$name puts under it" "$L" "$(curl -fsX PUT "$P/kv/alive/$h?lease=$L" -d up | jq -r .lease)"
    same "$name tells the key's lease" "$L" "$(curl -fsD - -o /dev/null "$P/kv/alive/$h" | tr -d '\r' | awk -F': ' '$1 == "Parley-Lease" { print $2 }')"
    same "$name renews" 30000 "$(curl -fsX POST "$P/leases/$L/renew" | jq .remaining_ms)"
    same "$name renews for another time" 60000 "$(curl -fsX POST "$P/leases/$L/renew?ttl=1m" | jq .remaining_ms)"
    same "$name shows its keys" "[\"alive/$h\"]" "$(curl -fs "$P/leases/$L?keys" | jq -c .keys)"
    check "$name lists it" jq -e --arg l "$L" '.items | any(.id == $l and .remaining_ms > 50000)' <(curl -fs "$P/leases") >"$WORK/out"
    same "$name keeps the lease of a key" "$L" "$(curl -fsX PUT "$P/kv/alive/$h?keep_lease" -d up2 | jq -r .lease)"
    same "$name revokes" 1 "$(curl -fsX DELETE "$P/leases/$L" | jq .deleted_keys)"
    same "$name has no key then" 404 "$(status "$P/kv/alive/$h")"
    same "$name finds no lease then" lease_not_found "$(curl -sX POST "$P/leases/$L/renew" | jq -r .code)"
    same "$name releases keys" 0 "$(curl -fsX POST "$P/leases?ttl=30s&id=r$1&on_expire=release" -o /dev/null && curl -fsX PUT "$P/kv/stay/$h?lease=r$1" -d up -o /dev/null && curl -fsX DELETE "$P/leases/r$1" -o /dev/null; curl -fs "$P/kv/stay/$h?meta" | jq 'has("lease") | if . then 1 else 0 end')"
    curl -sN -X POST "$P/leases?ttl=10s&hold&id=web$1" >"$WORK/hold$1" 2>/dev/null &
    local held=$!
    for _ in $(seq 100); do [ -s "$WORK/hold$1" ] && break; sleep 0.05; done
    same "$name holds for a client" "web$1" "$(head -1 "$WORK/hold$1" | jq -r .id)"
    same "$name puts under what is held" "web$1" "$(curl -fsX PUT "$P/kv/alive/web$1?lease=web$1" -d up | jq -r .lease)"
    kill "$held"; wait "$held" 2>/dev/null || true
    same "$name keeps it for its time when the client is gone" 200 "$(status "$P/leases/web$1")"
    curl -fsX DELETE "$P/leases/web$1" -o /dev/null
    same "$name refuses a time that is too short" bad_duration "$(curl -sX POST "$P/leases?ttl=10ms" | jq -r .code)"
    same "$name refuses an id twice" already_exists "$(curl -fsX POST "$P/leases?ttl=9s&id=twice$1" -o /dev/null; curl -sX POST "$P/leases?ttl=9s&id=twice$1" | jq -r .code)"
}
contract "$l"
contract "$follower"

# When they end: never before their time since the request was sent, and within a second after it.
for ttl in 1000 2000 2500; do
    begin=$(now_ms)
    curl -fsX PUT "$(url "$follower")/kv/short$ttl?ttl=${ttl}ms" -d x -o /dev/null
    between "a key of $ttl ms ends on n$l" "$ttl" $((ttl + 1000)) "$(gone_after "$(url "$l")/kv/short$ttl" "$begin")"
done
curl -fsX POST "$(url "$l")/leases?ttl=2s&id=renewed" -o /dev/null
sleep 1.5
begin=$(now_ms)
curl -fsX POST "$(url "$follower")/leases/renewed/renew" -o /dev/null
between "a renewed lease ends" 2000 3000 "$(gone_after "$(url "$follower")/leases/renewed?consistency=stale" "$begin")"

# Held leases.
hold() { curl -sN -X POST "$(url "$1")/leases?ttl=$3&hold&id=$2${4:-}" >"$WORK/$2" 2>/dev/null & HELD=$!; for _ in $(seq 100); do [ -s "$WORK/$2" ] && return; sleep 0.05; done; }
hold "$follower" long 1s
sleep 3
same "a held lease outlives its time" 200 "$(status "$(url "$l")/leases/long")"
check "each renewal is a line" test "$(wc -l <"$WORK/long")" -ge 6
kill "$HELD"; wait "$HELD" 2>/dev/null || true
begin=$(now_ms)
between "it ends after its client" 300 2500 "$(gone_after "$(url "$l")/leases/long" "$begin")"
hold "$follower" atonce 20s "&on_disconnect=revoke"
kill "$HELD"; wait "$HELD" 2>/dev/null || true
begin=$(now_ms)
between "on_disconnect=revoke ends it at once" 0 1000 "$(gone_after "$(url "$l")/leases/atonce" "$begin")"
hold "$follower" taken 5s
curl -fsX DELETE "$(url "$l")/leases/taken" -o /dev/null
code=0; timeout 5 tail --pid="$HELD" -f /dev/null || code=$?
same "a stream ends when its lease is revoked" 0 "$code"
same "with an error line" lease_not_found "$(tail -1 "$WORK/taken" | jq -r .error.code)"

# A change of leaders: what is held stays, what runs ends at its time or a little later.
begin=$(now_ms)
curl -fsX POST "$(url "$follower")/leases?ttl=3s&id=kept" -o /dev/null
curl -fsX PUT "$(url "$follower")/kv/kept?lease=kept" -d x -o /dev/null
hold "$follower" through 3s
end KILL "$l"
for _ in $(seq 100); do new=$(leader) && [ -n "$new" ] && [ "$new" != "$l" ] && break; sleep 0.1; done
between "a lease outlives its leader and ends" 3000 9000 "$(gone_after "$(url "$follower")/kv/kept" "$begin")"
sleep 2
same "a held lease outlives a leader" 200 "$(status "$(url "$follower")/leases/through")"
kill "$HELD"; wait "$HELD" 2>/dev/null || true
start "$l"
wait_ready
l=$(leader)
follower=$((l % 3 + 1))
contract "$follower"

# The command line.
export PARLEY_ENDPOINTS; PARLEY_ENDPOINTS=$(endpoints)
same "parley lease grant" cli "$("$PARLEY_BIN" lease grant --ttl 30s --id cli)"
same "parley put --lease" cli "$("$PARLEY_BIN" put cli/a 1 --lease cli --json | jq -r .lease)"
check "parley put --ttl" "$PARLEY_BIN" put cli/b 1 --ttl 30s
check "parley lease renew" "$PARLEY_BIN" lease renew cli
check "parley lease list" grep -q '^cli ' <("$PARLEY_BIN" lease list)
check "parley lease show" grep -q 'cli/a' <("$PARLEY_BIN" lease show cli)
same "parley lease revoke" "ended with 1 key" "$("$PARLEY_BIN" lease revoke cli)"
code=0; "$PARLEY_BIN" lease renew cli >/dev/null 2>&1 || code=$?
same "exit code for a lease that is gone" 3 "$code"
"$PARLEY_BIN" lease hold --ttl 1s --id held >"$WORK/held" & HELD=$!
sleep 2.5
same "parley lease hold" 200 "$(status "$(url "$l")/leases/held")"
kill "$HELD"; code=0; wait "$HELD" || code=$?
same "it ends well when terminated" 0 "$code"
same "and ends the lease" 404 "$(status "$(url "$l")/leases/held")"

# 10,000 leases that end at once, while others write.
p99() { sort -n | awk '{ a[NR] = $1 } END { i = int(NR * 0.99) + 1; if (i > NR) i = NR; printf "%.1f ms", a[i] * 1000 }'; }
puts() { # puts SECONDS: the time of each put, in seconds
    local until=$(($(now_ms) + $1 * 1000))
    while [ "$(now_ms)" -lt "$until" ]; do
        curl -s -m 10 -o /dev/null -w '%{time_total}\n%{stderr}%{http_code}\n' -X PUT "$(url "$follower")/kv/busy" -d x 2>>"$WORK/codes"
    done
}
many=10000
for i in $(seq $many); do printf 'url = "%s/leases?ttl=20s&id=many-%s"\nrequest = POST\noutput = /dev/null\n' "$(url "$l")" "$i"; done >"$WORK/grants"
curl -s --parallel --parallel-max 64 -K "$WORK/grants" >/dev/null
count() { # on two pages: there are others too
    local page next
    page=$(curl -fs "$(url "$l")/leases?limit=10000&consistency=stale") next=
    [ "$(jq 'has("next")' <<<"$page")" = true ] && next=$(curl -fs "$(url "$l")/leases?limit=10000&consistency=stale&cursor=$(jq -r .next <<<"$page")")
    jq -s '[.[].items[] | select(.id | startswith("many-"))] | length' <<<"$page$next"
}
same "10,000 leases are there" "$many" "$(count)"
# All begin their time anew within a moment.
sed -e 's/leases?ttl=20s&id=\(many-[0-9]*\)/leases\/\1\/renew?ttl=20s/' "$WORK/grants" >"$WORK/renewals"
begin=$(now_ms)
curl -s --parallel --parallel-max 64 -K "$WORK/renewals" >/dev/null
renewed=$(($(now_ms) - begin))
puts 3 >"$WORK/before"
(puts $(((begin + 20000 + renewed + 2000 - $(now_ms)) / 1000)) >"$WORK/during") & PUTS=$!
while [ "$(now_ms)" -lt $((begin + 19900)) ]; do sleep 0.05; done
[ "$(now_ms)" -lt $((begin + 20000)) ] && same "none has ended before its time" "$many" "$(count)"
for _ in $(seq 400); do [ "$(count)" = 0 ] && break; sleep 0.05; done
last=$(($(now_ms) - begin))
between "10,000 leases, renewed within $renewed ms, have ended" 20000 $((20000 + renewed + 1500)) "$last"
wait "$PUTS"
same "every put went through" 200 "$(sort -u "$WORK/codes" | tr '\n' ' ' | sed 's/201 //; s/ $//')"
say "p99 of puts before: $(p99 <"$WORK/before"), while they ended: $(p99 <"$WORK/during")"
