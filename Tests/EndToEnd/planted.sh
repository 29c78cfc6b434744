#!/usr/bin/env bash
# Who watches the watchmen: every bug that a test build can bring back is brought back, and the simulator must
# find each within so many seeds. What it does not find is a gap in the simulator.
#
#   Tests/EndToEnd/planted.sh [NAME...]     all bugs, or these
#   SEEDS=2000 FROM=1 JOBS=2                how far to look, with how many processes
#   TABLE=FILE                              keep the table, as in Sources/Simulator/Simulator.docc/PlantedBugs.md
#   PARLEY_PLANTED_BIN=FILE                 a build with -DPARLEY_PLANTED; built if not given
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
SEEDS=${SEEDS:-2000} FROM=${FROM:-1} JOBS=${JOBS:-2} PROFILE=${PROFILE:-std}
if [ -z "${PARLEY_PLANTED_BIN:-}" ]; then
    swift build -c release -Xswiftc -DPARLEY_PLANTED --scratch-path .build-planted --product parley
    PARLEY_PLANTED_BIN=.build-planted/release/parley
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/parley-planted.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Lines of "name<tab>catalogue id<tab>sentence", in the order of the source.
catalogue() {
    awk '
        /^ *\/\/\/ [A-Z]+[0-9]+: / { sub(/^ *\/\/\/ /, ""); id = $1; sub(/^[^ ]+ /, ""); text = $0; sub(":", "", id); next }
        /^ *\/\/\/ / && id != "" { sub(/^ *\/\/\/ /, ""); text = text " " $0; next }
        /^ *case [a-z]/ && id != "" { print $2 "\t" id "\t" text; id = "" }
    ' Sources/Primitives/PlantedBug.swift
}

simulate() { "$PARLEY_PLANTED_BIN" simulate --profile "$PROFILE" --tries 0 "$@"; }

# Whether the run with this seed is fine without the bug: else it proves nothing.
is_clean() { simulate --seed "$1" >"$work/clean" 2>&1; }

# find NAME: sets `found` to the seed's number (empty if none), `by` to the invariant, `seed` to the seed.
find_bug() {
    local name=$1 first=$FROM left=$SEEDS line number
    found='' by='' seed=''
    while [ "$left" -gt 0 ]; do
        if simulate --plant "$name" --from "$first" --seeds "$left" --jobs "$JOBS" --stop-at-first >"$work/out" 2>&1; then
            return 0
        fi
        line=$(grep -m1 '^failed: seed ' "$work/out") || { cat "$work/out" >&2; exit 2; }
        seed=$(sed -E 's/^failed: seed ([^ ]+) .*/\1/' <<<"$line")
        number=$((seed - first + 1))
        if is_clean "$seed"; then
            by=$(sed -E 's/.* invariant ([^:]+):.*/\1/' <<<"$line")
            found=$((seed - FROM + 1))
            return 0
        fi
        echo "seed $seed fails without any planted bug too: passed over" >&2
        first=$((first + number)) left=$((left - number))
    done
}

count=0 numbers=() missed=()
{
    echo '| bug | like | found by | seeds | seconds | what it does |'
    echo '|---|---|---|---:|---:|---|'
} | tee "$work/table"
while IFS=$'\t' read -r name id text; do
    if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
    start=$SECONDS
    find_bug "$name" </dev/null
    count=$((count + 1))
    if [ -n "$found" ]; then
        numbers+=("$found")
        row="| \`$name\` | $id | $by | $found | $((SECONDS - start)) | $text |"
    else
        missed+=("$name")
        row="| \`$name\` | $id | **not found** | > $SEEDS | $((SECONDS - start)) | $text |"
    fi
    echo "$row" | tee -a "$work/table"
done < <(catalogue)
median=$(printf '%s\n' "${numbers[@]:-0}" | sort -n | awk '{ n[NR] = $1 } END { print n[int((NR + 1) / 2)] }')
summary="${#numbers[@]} of $count planted bugs found within $SEEDS seeds of profile $PROFILE from $FROM on; in the median after $median."
echo "$summary"
if [ -n "${TABLE:-}" ]; then
    awk '/<!-- table -->/ { exit } { print }' "$TABLE" >"$work/page" 2>/dev/null || true
    { cat "$work/page"; echo '<!-- table -->'; cat "$work/table"; echo; echo "$summary"; } >"$work/new"
    cp "$work/new" "$TABLE"
fi
if [ "${#missed[@]}" -gt 0 ]; then
    echo "not found: ${missed[*]}" >&2
    exit 1
fi
