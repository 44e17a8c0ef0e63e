#!/bin/sh
#
# Without any of the optional libraries echod serves all the same, in every mode, and what takes one
# of them says so in one line.
#
# usage: lean.sh BUILD-DIRECTORY

set -eu
build=$(cd "$1" && pwd)
echod=$build/server/echod
echoc=$build/client/echoc

work=$(mktemp -d)
server=
trap 'test -z "$server" || kill -KILL "$server"; rm -rf "$work"' EXIT

bad=0
complain()
{
    echo "$*"
    sed 's/^/    it said: /' "$work/said"
    bad=1
}

# The exit code, what it is to say, and then the command.
refuses()
{
    code=$1
    wanted=$2
    shift 2
    status=0
    "$@" >"$work/said" 2>&1 </dev/null || status=$?
    if [ "$status" -ne "$code" ] || [ "$(wc -l <"$work/said")" -ne 1 ] || ! grep -q "$wanted" "$work/said"; then
        complain "exit code $status, wanted $code with a line that has '$wanted': $*"
    fi
}

refuses 2 'without OpenSSL' "$echod" --port 0 --tls-cert cert.pem --tls-key key.pem
refuses 2 'without OpenSSL' "$echod" --check-config --tls-cert cert.pem
refuses 2 'without http-parser' "$echod" --port 0 --admin 127.0.0.1:0
refuses 2 'without libinih' "$echod" --port 0 --config echod.conf
refuses 2 'without libsystemd' "$echod" --port 0 --log journal
refuses 2 'without libseccomp' "$echod" --port 0 --seccomp
refuses 1 'without OpenSSL' "$echoc" --tls -e hello
refuses 1 'without OpenSSL' "$echoc" bench --tls -n 1

for mode in green thread prefork; do
    : >"$work/said" # the shell in the background may be slow to: here is what the last one said
    "$echod" --mode "$mode" --workers 1 --unix "$work/socket" 2>"$work/said" &
    server=$!
    tries=0
    until grep -q 'listening on' "$work/said" || [ "$tries" -eq 600 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    if ! reply=$("$echoc" -e hello --unix "$work/socket" 2>&1) || [ "$reply" != HELLO ]; then
        complain "mode $mode answered '$reply'"
    fi
    kill -TERM "$server"
    status=0
    wait "$server" || status=$?
    server=
    if [ "$status" -ne 0 ]; then
        complain "mode $mode ended with $status"
    fi
done
exit "$bad"
