#!/usr/bin/env bash
# Whole clusters in virtual time: a fixed range of seeds with every fault, and one of crashes alone; a failing seed
# prints the line that runs it again. PARLEY_SIMULATE_MINUTES=N runs fresh seeds for so long besides.
set -euo pipefail
parley=${PARLEY_BIN:-$(cd "$(dirname "$0")/../.." && pwd)/.build/release/parley}
minutes=${PARLEY_SIMULATE_MINUTES:-0}
passed=0 failed=0
run() { # run NAME COMMAND...
    local name=$1
    shift
    if "$@"; then passed=$((passed + 1)) && echo "simulate: ok: $name"; else
        failed=$((failed + 1))
        echo "simulate: FAILED: $name"
    fi
}
run "all faults, and 1 % of the seeds twice" "$parley" simulate --profile std --from 1 --seeds 1000 --twice
run "crashes" "$parley" simulate --profile lite --from 1 --seeds 1000
[ "$minutes" = 0 ] || run "fresh seeds, all faults" "$parley" simulate --profile std --minutes "$minutes" --marks
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
