#!/bin/sh
#
# The Kubernetes manifests of docs/deploy against the schemas of its API, and one with a mistake,
# which has to be found. The schemas come from npm, in these versions; without them the step
# is skipped.

set -eu
top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! command -v npm >/dev/null ||
    ! npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work" \
        kubernetes-models@5.1.0 js-yaml@4.1.0 typescript@5.8.3 >/dev/null 2>&1; then
    echo "SKIP: the schemas cannot be had"
    exit 77
fi
cp "$top/tests/check/manifests.mjs" "$work"
cd "$work"

node "$work/manifests.mjs" "$top/docs/deploy/kubernetes.yaml"
for mistake in 's/readinessProbe:/readynessProbe:/' 's/replicas: 3/replicas: many/'; do
    sed "$mistake" "$top/docs/deploy/kubernetes.yaml" >"$work/wrong.yaml"
    if node "$work/manifests.mjs" "$work/wrong.yaml" >/dev/null; then
        echo "$mistake: nobody minds"
        exit 1
    fi
done
