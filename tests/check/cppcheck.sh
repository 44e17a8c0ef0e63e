#!/bin/sh
#
# cppcheck over the library and the programs.
#
# usage: cppcheck.sh BUILD-DIRECTORY
#
# It keeps what it knows of unchanged files in the build directory.

set -eu
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."

mkdir -p "$build/cppcheck"
cppcheck --project="$build/compile_commands.json" --cppcheck-build-dir="$build/cppcheck" \
    --file-filter="$PWD/lib/*" --file-filter="$PWD/server/*" --file-filter="$PWD/client/*" \
    --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
    --suppress=missingInclude --suppress=missingIncludeSystem --suppress=unmatchedSuppression \
    --suppress=getcontextCalled --suppress=makecontextCalled \
    --suppress=swapcontextCalled --suppress=readdirCalled \
    --suppress=getpwnamCalled --suppress=getpwuidCalled --suppress=getgrnamCalled \
    --library=posix --library=gnu --template=gcc --quiet -j "$(nproc)"
