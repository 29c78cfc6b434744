#!/usr/bin/env bash
# Every example of the OpenAPI document, run with curl against a live cluster in the order of the document, each by
# a node of another role; and the document that is served is the one in the repository.
. "$(dirname "$0")/lib.sh"
DOCUMENT=$(cd "$(dirname "$0")/../.." && pwd)/openapi/openapi.json

start_all --enable-faults
wait_ready
check "the served document is the repository's" cmp -s "$DOCUMENT" <(get "$(url 1)/openapi.json")

# holds WANTED GOT: every member of WANTED has that value in GOT
holds() { jq -e --argjson got "$2" '. as $want | all(paths(scalars); . as $p | ($got | getpath($p)) == ($want | getpath($p)))' <<<"$1" >/dev/null 2>&1; }

# begins WANTED: every header of WANTED begins so in the answer
begins() {
    local header
    while IFS= read -r header; do tr -d '\r' <"$WORK/head" | awk -v h="$header" 'index($0, h) == 1 { found = 1 } END { exit !found }' || return 1; done \
        < <(jq -r 'to_entries[] | "\(.key): \(.value)"' <<<"$1")
}

count=0
run_example() { # run_example JSON NODE
    local example=$1 node=$2 method target name code body arguments=() field
    method=$(jq -r .method <<<"$example") target=$(jq -r .target <<<"$example")
    name="$method $target on n$node ($(jq -r '.summary // ""' <<<"$example"))"
    while IFS= read -r field; do [ -n "$field" ] && arguments+=(-H "$field"); done \
        < <(jq -r '(.headers // {}) | to_entries[] | "\(.key): \(.value)"' <<<"$example")
    if jq -e 'has("body")' <<<"$example" >/dev/null; then
        jq -rj .body <<<"$example" >"$WORK/body"
        arguments+=(--data-binary "@$WORK/body")
    fi
    if [ "$method" = HEAD ]; then arguments+=(-I); else arguments+=(-X "$method"); fi
    code=$(curl -s -g -L --path-as-is -m 20 -D "$WORK/head" -o "$WORK/answer" -w '%{http_code}' "${arguments[@]}" "$(url "$node")$target")
    body=$(cat "$WORK/answer")
    if ! jq -e --argjson code "$code" '.status | index($code) != null' <<<"$example" >/dev/null; then
        bad "$name: status $code, wanted $(jq -c .status <<<"$example"): ${body:0:300}"
    elif jq -e 'has("answer")' <<<"$example" >/dev/null && ! holds "$(jq -c .answer <<<"$example")" "$body"; then
        bad "$name: the answer lacks $(jq -c .answer <<<"$example"): ${body:0:300}"
    elif ! begins "$(jq -c '.answer_headers // {}' <<<"$example")"; then
        bad "$name: the answer lacks $(jq -c .answer_headers <<<"$example"): $(cat "$WORK/head")"
    else
        count=$((count + 1))
    fi
}
# On a node other than the leader first, then everywhere; what may only happen once has its own statuses.
l=$(leader)
node=$((l % 3 + 1))
while IFS= read -r example; do run_example "$example" "$node"; done \
    < <(jq -c '.paths[][] | objects | .["x-parley-examples"] // [] | .[]' "$DOCUMENT")
ok "$count examples on follower n$node"
