#!/bin/sh
#
# HdrHistogram's own code in JavaScript reads what echoc has written: hdr_js.sh ECHOC ECHOD
#
# It is installed from npm for the test; where there is no node, or npm cannot be reached, the test
# is skipped.

set -eu

echoc=$1 echod=$2
work=$(mktemp -d)
server=
finish()
{
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT

skip()
{
    echo "skipped: $*"
    exit 77
}

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    skip "no node or no npm"
fi
(cd "$work" && timeout 100 npm install --silent --no-audit --no-fund hdr-histogram-js@3.0.0) >"$work/npm.log" 2>&1 ||
    skip "npm cannot install hdr-histogram-js: $(tail -n 1 "$work/npm.log")"

# shellcheck disable=SC2086 # a command and its arguments
${GREEN_WRAP:-} "$echod" --port 0 2>"$work/echod.log" &
server=$!
port=
while [ -z "$port" ]; do
    kill -0 "$server"
    sleep 0.1
    port=$(sed -n 's/.*listening on .*127\.0\.0\.1:\([0-9]*\) .*/\1/p' "$work/echod.log")
done
# shellcheck disable=SC2086
${GREEN_WRAP:-} "$echoc" bench -c 4 -n 20000 --quiet --json "$work/result.json" \
    --hdr "$work/result.hlog" 127.0.0.1 "$port"

cat >"$work/read.js" <<'END'
const fs = require("fs");
const hdr = require("hdr-histogram-js");
const result = JSON.parse(fs.readFileSync("result.json", "utf8"));
const reply = hdr.decodeFromCompressedBase64(result.histograms.reply);
const reader = new hdr.HistogramLogReader(fs.readFileSync("result.hlog", "utf8"));
let count = 0;
for (let row; (row = reader.nextIntervalHistogram()) != null;) {
    if (!row.tag || row.tag === "NO TAG") {
        count += row.totalCount;
    }
}
const points = {p50: 50, p90: 90, p99: 99, p999: 99.9, p9999: 99.99, max: 100};
const seen = {count: reply.totalCount, log: count};
let bad = reply.totalCount !== 20000 || count !== 20000;
for (const [name, percentile] of Object.entries(points)) {
    seen[name] = reply.getValueAtPercentile(percentile) / 1000;
    // Ours is never above the largest value that was recorded; theirs is the top of its bucket.
    bad = bad || Math.abs(seen[name] - result.latency_us[name]) > seen[name] * 0.001;
}
console.log(JSON.stringify(seen), JSON.stringify(result.latency_us));
process.exit(bad ? 1 : 0);
END
cd "$work" && node read.js
