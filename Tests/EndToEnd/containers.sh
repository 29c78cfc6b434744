#!/usr/bin/env bash
# Builds docker/Dockerfile and runs docker/compose.yaml with a real container engine that is started for this alone,
# in a network namespace of its own, then puts compose-check.sh to the three nodes. Needs root, some 6 GB and the
# tool next to the repository; says so and passes over it otherwise. Debian's packages of the engine stay installed.
# ENGINE and COMPOSE_V2 are the tool's; with STATE=FOLDER KEEP_IMAGES=1 the next run finds the images there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
repository=$(cd "$here/../.." && pwd -P)
tool=$repository/../shared/tools/containers/try-compose.sh
namespace=parley-${ENGINE:-docker}

leave_out() { echo "containers: left out: $*"; exit 0; }
[ -r "$tool" ] || leave_out "no ../shared/tools/containers/try-compose.sh beside the repository"
[ "$(id -u)" = 0 ] || leave_out "needs root"
[ ! -e "/run/netns/$namespace" ] || leave_out "another run of it is under way (network namespace $namespace)"

work=$(mktemp -d "${TMPDIR:-/tmp}/parley-containers.XXXXXX")
state=${STATE:-$work/state}
finish() { # whatever the tool did not get to when it was cut short
    local code=$? pid
    trap - EXIT
    if pid=$(cat "$state/dockerd.pid" 2>/dev/null) && grep -qaF "$state" "/proc/$pid/cmdline" 2>/dev/null; then
        kill "$pid" 2>/dev/null || true
        for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    fi
    grep -o " $state/[^ ]*" /proc/mounts | sort -r | xargs -r -n1 umount -l || true
    [ ! -e "/run/netns/$namespace" ] || ip netns del "$namespace" || true
    rm -rf --one-file-system "$work"
    exit "$code"
}
trap finish EXIT
mkdir -p "$state" "$work/tmp"
# In the background, so that a signal reaches the tool at once and leaves it time to clean up.
CHECK="TMPDIR=$(printf %q "$work/tmp") bash $(printf %q "$here/compose-check.sh")" STATE=$state \
    timeout --kill-after=120 "${LIMIT:-1500}" bash "$tool" "$repository" &
tool_pid=$!
trap 'kill "$tool_pid"; wait "$tool_pid"; exit 143' TERM INT
wait "$tool_pid"
