#!/bin/sh
# usage: locks.sh LOCKS_TARGET LIBGREEN_LOCKS
#
# With libgreen-locks before the C library, each place that gives up the processor with a pthread
# mutex held is flagged once; without it nothing is. Exits with 77 (skipped) under a sanitizer, which
# stands before these calls itself.
set -eu

target=$1
library=$2
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

fail()
{
    echo "locks.sh: $1"
    cat "$out/errors"
    exit 1
}

if nm "$target" | grep -q '__asan_init\|__tsan_init'; then
    echo "locks.sh: skipped, the sanitizer has calls of its own in their place"
    exit 77
fi
${GREEN_WRAP:-} "$target" >"$out/text" 2>"$out/errors"
[ "$(cat "$out/text")" = 'done' ] || fail 'the program did not end well'
! grep -q '^green:' "$out/errors" || fail 'something was flagged without the library'

LD_PRELOAD=$library "$target" >"$out/text" 2>"$out/errors"
[ "$(cat "$out/text")" = 'done' ] || fail 'the program did not end well with the library'
[ "$(grep -c '^green:' "$out/errors")" -eq 2 ] || fail 'not two places were flagged'
sleeps='^green: task [0-9]* "holder" lets others run (it waits for a time to pass) while it holds the pthread mutex at 0x[0-9a-f]*, locked at sleep_with_it+0x'
yields='^green: task [0-9]* "holder" lets others run (it waits for nothing) while it holds the pthread mutex at 0x[0-9a-f]*, locked at yield_with_it+0x'
grep -q "$sleeps" "$out/errors" || fail 'who sleeps was not flagged'
grep -q "$yields" "$out/errors" || fail 'who yields was not flagged'
echo 'ok - each place once'
