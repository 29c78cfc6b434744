#!/usr/bin/env bash
# Whole clusters in virtual time: fresh seeds with every fault, and the small-scope search. PARLEY_SIMULATE_MINUTES says
# how long (10); a failing seed prints the line that runs it again.
set -euo pipefail
parley=${PARLEY_BIN:-$(cd "$(dirname "$0")/../.." && pwd)/.build/release/parley}
minutes=${PARLEY_SIMULATE_MINUTES:-10}
lite=$(((minutes + 4) / 5))
passed=0 failed=0
run() { # run NAME COMMAND...
    local name=$1
    shift
    if "$@"; then passed=$((passed + 1)); echo "simulate: ok: $name"; else
        failed=$((failed + 1))
        echo "simulate: FAILED: $name"
    fi
}
run "one seed twice is one run" "$parley" simulate --profile std --from 1 --seeds 100 --twice
[ "$minutes" -le "$lite" ] || run "fresh seeds, all faults" "$parley" simulate --profile std --minutes $((minutes - lite)) --marks
run "fresh seeds, crashes" "$parley" simulate --profile lite --minutes "$lite"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
