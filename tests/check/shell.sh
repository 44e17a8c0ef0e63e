#!/bin/sh
#
# Shell scripts: no mistakes that shellcheck knows.

set -eu
cd "$(dirname "$0")/../.."

{
    echo dev
    echo .ci/run
    tests/check/files.sh '*.sh'
} | xargs -r shellcheck
