#!/usr/bin/env bash
# Whole clusters in virtual time. Two ranges of seeds that never change; then ten minutes of seeds that nobody has
# tried on these sources: they begin at a number made of the sources themselves, so that whoever has the same sources
# can run them again. Last, every order of a few events. A failing seed prints the line that runs it again.
# PARLEY_SIMULATE_MINUTES=N sets how many minutes; 0 leaves the new seeds out.
set -euo pipefail
cd "$(dirname "$0")/../.."
parley=${PARLEY_BIN:-.build/release/parley}
minutes=${PARLEY_SIMULATE_MINUTES:-10}
passed=0 failed=0
run() { # run NAME COMMAND...
    local name=$1
    shift
    if "$@"; then passed=$((passed + 1)) && echo "simulate: ok: $name"; else
        failed=$((failed + 1))
        echo "simulate: FAILED: $name"
    fi
}
run "all faults, all rare states, and 1 % of the seeds twice" \
    "$parley" simulate --profile std --from 1 --seeds 2000 --twice --marks
run "crashes" "$parley" simulate --profile lite --from 1 --seeds 1000
if [ "$minutes" != 0 ]; then
    first=0x$(find Sources -name "*.swift" -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-11)0
    run "new seeds" "$parley" simulate --profile std --from "$first" --minutes "$minutes"
fi
run "every order" "$parley" explore --states 300000 --minutes 3
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
