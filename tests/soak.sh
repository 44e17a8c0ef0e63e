#!/bin/sh
#
# What takes too long for every day: the seeded programs, a million seeds each; (tls) what testssl.sh
# finds wrong with echod, where there is one; (upgrades) a thousand upgrades of echod under load, in
# each mode.
#
# usage: soak.sh BUILD-DIRECTORY [--seeds N] [--from N] [--seconds S] [--upgrades N] [NAME]...
#
# Each program ends after that many seeds or seconds, whichever comes first, and tells how far it
# came. The first failure of each is printed with its seed and the command that shows it again.

set -eu

usage()
{
    echo "usage: ./dev soak [--seeds N] [--from N] [--seconds S] [--upgrades N] [sync|queue|channel|job|deadlock|tls|upgrades]..." >&2
    exit 2
}

build=$1
shift
seeds=1000000 from=1 seconds=1800 upgrades=1000
while [ $# -gt 0 ]; do
    case $1 in
    --seeds | --from | --seconds | --upgrades)
        if [ $# -lt 2 ]; then
            usage
        fi
        case $2 in
        '' | *[!0-9]*) usage ;;
        esac
        ;;
    esac
    case $1 in
    --seeds) seeds=$2 ;;
    --from) from=$2 ;;
    --seconds) seconds=$2 ;;
    --upgrades) upgrades=$2 ;;
    -*) usage ;;
    *) break ;;
    esac
    shift 2
done
if [ $# -eq 0 ]; then
    set -- sync queue channel job deadlock tls upgrades
fi

status=0
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
for name in "$@"; do
    if [ "$name" = upgrades ]; then
        for mode in green green2 thread prefork; do
            ECHOD_UPGRADES=$upgrades CK_TIMEOUT_MULTIPLIER=20 \
                "$build/tests/contract/contract" "$build/server/echod" "$mode" upgrade || status=1
        done
        continue
    fi
    if [ "$name" = tls ]; then
        tls_status=0
        "$here/end/testssl.sh" "$build/server/echod" || tls_status=$?
        if [ "$tls_status" -ne 0 ] && [ "$tls_status" -ne 77 ]; then
            status=1
        fi
        continue
    fi
    if [ ! -x "$build/tests/seed_$name" ]; then
        usage
    fi
    "$build/tests/seed_$name" --count "$seeds" --from "$from" --seconds "$seconds" || status=1
done
exit "$status"
