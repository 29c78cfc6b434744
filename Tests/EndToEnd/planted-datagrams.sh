#!/usr/bin/env bash
# Every bug that a test build can bring back in links, broadcast, gossip and clocks is brought back: the tests of these
# targets must fail with each of them, and pass without. What they do not find is a gap in the tests.
#
#   Tests/EndToEnd/planted-datagrams.sh [NAME...]     all bugs, or these
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=.build-planted-tests
work=$(mktemp -d "${TMPDIR:-/tmp}/parley-planted.XXXXXX")
trap 'rm -rf "$work"' EXIT
swift build --build-tests -Xswiftc -DPARLEY_PLANTED --scratch-path $build >"$work/build" 2>&1 || { tail -n 20 "$work/build"; exit 2; }
# A test that does not end within so many seconds has failed, too.
try() {
    local status=0
    PARLEY_PLANT=$1 timeout "${LIMIT:-180}" swift test --skip-build --scratch-path $build --filter '^(Links|Gossip|Clocks)Tests\.' >"$work/out" 2>&1 || status=$?
    # The tests outlive who ran them.
    pkill -f "$PWD/$build/" || true
    return $status
}
try none || { echo "the tests fail without any planted bug, too:"; grep -m 10 '✘' "$work/out"; exit 2; }
found=0 missed=()
for name in $(sed -n 's/^    case \([a-zA-Z]*\)$/\1/p' Sources/Primitives/PlantedDatagramBug.swift); do
    if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
    start=$SECONDS
    if try "$name"; then
        missed+=("$name")
        echo "$name: not found ($((SECONDS - start)) s)"
    else
        found=$((found + 1))
        tests=$(grep -a '^✘ Test "' "$work/out" | sed 's/^✘ Test "\([^"]*\)".*/\1/' | sort -u || true)
        echo "$name: found by $(grep -c . <<<"$tests" || true) tests, as by \"$(head -n 1 <<<"$tests")\" ($((SECONDS - start)) s)"
    fi
done
echo "$found planted bugs found, ${#missed[@]} not: ${missed[*]:-}"
[ ${#missed[@]} = 0 ]
