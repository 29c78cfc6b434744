#!/usr/bin/env bash
# Three nodes in containers, as docker/compose.yaml starts them, seen from outside through their published ports:
#   compose-check.sh [PORT PORT PORT]      (7071 7072 7073)
# ENGINE (docker, or podman) is the command that kills and starts the containers of the compose project PROJECT
# (parley); what needs it is left out where it does not know them.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
read -ra PORTS <<<"${*:-${PORTS:-7071 7072 7073}}"
ENGINE=${ENGINE:-docker}
PROJECT=${PROJECT:-parley}

url() { echo "http://127.0.0.1:${PORTS[$1 - 1]}"; }
others() { local i; for i in $NODES; do [ "$i" = "$1" ] || echo "$i"; done; }
# until COMMAND...: tries it for 30 s
until_true() { local try; for try in $(seq 150); do "$@" && return; sleep 0.2; done; return 1; }
ready() { [ "$(status -m 2 "$(url "$1")/readyz")" = 200 ]; }
# leaders NODE...: what these nodes say, without repetition: one line if they agree
leaders() { local i; for i in "$@"; do curl -fs -m 5 "$(url "$i")/leader" | jq -r '"\(.name) in term \(.term)"' || echo "n$i knows none"; done | sort -u; }
# By UDP: names are looked up, and every one of the others has answered a probe.
reaches_others() { [ "$(get "$(url "$1")/gossip" | jq '[.members[] | select(.state == "alive" and .rtt_ms)] | length')" = 2 ]; }
agreed() { LEADER=$(leaders "$@"); [[ $LEADER =~ ^n[0-9]+\ in\ term\ [0-9]+$ ]]; }
new_leader() { agreed "${@:2}" && [ "${LEADER%% *}" != "$1" ]; }
# read_back NODE KEY: the value, and as what it was read
read_back() { get -D "$WORK/head" "$(url "$1")/kv/$2" && sed -nE 's/^parley-consistency: *([a-z]+).*/ (\1)/Ip' "$WORK/head"; }
container() { "$ENGINE" ps -aq --filter "label=com.docker.compose.project=$PROJECT" --filter "label=com.docker.compose.service=$1" 2>/dev/null; }
engine() { "$ENGINE" "$@" >/dev/null; }
inspect() { "$ENGINE" inspect --format "$2" "$(container "$1")"; }

for i in $NODES; do check "n$i is ready on $(url "$i")" until_true ready "$i"; done
for i in $NODES; do check "n$i reaches the others by datagrams, too" until_true reaches_others "$i"; done

for i in $NODES; do
    same "put through n$i" 201 "$(status -X PUT "$(url "$i")/kv/$$/from-n$i" -d "value of n$i")"
    for j in $(others "$i"); do
        same "read through n$j" "value of n$i (linearizable)" "$(read_back "$j" "$$/from-n$i")"
    done
done
stale=0
for round in $(seq 50); do
    i=$((round % 3 + 1))
    get -X PUT "$(url $i)/kv/$$/round" -d "$round" >/dev/null
    for j in $(others $i); do [ "$(get "$(url "$j")/kv/$$/round")" = "$round" ] || stale=$((stale + 1)); done
done
same "old values among 100 reads, each right after a write through another node" 0 "$stale"
check "all agree on a leader" until_true agreed $NODES
say "the leader is $LEADER"

if [ -z "$(container n1)" ]; then
    say "left out: killing the leader's container ($ENGINE knows no containers of a project \"$PROJECT\")"
    exit
fi
old=${LEADER%% *}
rest=$(others "${old#n}")
began=$(date +%s%N)
check "kill the container of the leader $old" engine kill "$(container "$old")"
via=${rest%%$'\n'*}
same "put through n$via right after it" 201 "$(status -X PUT "$(url "$via")/kv/$$/after-kill" -d survived)"
say "killing and putting took $((($(date +%s%N) - began) / 1000000)) ms together"
for j in $rest; do same "read through n$j" "survived (linearizable)" "$(read_back "$j" "$$/after-kill")"; done
check "the two that live agree on another leader" until_true new_leader "$old" $rest
say "the leader is $LEADER"
same "nothing from before is lost" "value of $old" "$(get "$(url "$via")/kv/$$/from-$old")"

check "start the container of $old again" engine start "$(container "$old")"
check "$old is ready again" until_true ready "${old#n}"
same "read through $old" "survived (linearizable)" "$(read_back "${old#n}" "$$/after-kill")"
check "all agree on a leader" until_true agreed $NODES

# A crash that the engine did not ask for: it starts the node again by itself.
old=${LEADER%% *}
if kill -9 "$(inspect "$old" '{{.State.Pid}}')" 2>/dev/null; then
    restarted() { [ "$(inspect "$old" '{{.RestartCount}}')" -ge 1 ] && ready "${old#n}"; }
    check "after a crash the engine starts $old again" until_true restarted
    same "read through $old" "survived (linearizable)" "$(read_back "${old#n}" "$$/after-kill")"
else
    say "left out: a crash (the processes of the containers are not ours to kill)"
fi

check "all agree on a leader" until_true agreed $NODES
old=${LEADER%% *}
began=$(date +%s)
check "stop the container of the leader $old" engine stop "$(container "$old")"
check "in less than 10 s" [ $(($(date +%s) - began)) -lt 10 ]
same "exit code of $old" 0 "$(inspect "$old" '{{.State.ExitCode}}')"
check "start it again" engine start "$(container "$old")"
check "$old is ready again" until_true ready "${old#n}"

check "it does not run as root" [ "$("$ENGINE" exec "$(container n1)" id -u)" != 0 ]
check "the image holds no compiler" engine exec "$(container n1)" sh -c '! command -v swift swiftc clang gcc cc ld && ! ls /usr/lib/swift* 2>/dev/null'
for i in $NODES; do
    same "memory of n$i is limited" $((1 << 30)) "$(inspect "n$i" '{{.HostConfig.Memory}}')"
done
if [ "$failed" != 0 ]; then for i in $NODES; do "$ENGINE" logs --tail 20 "$(container "n$i")" >"$WORK/n$i.log" 2>&1 || true; done; fi
