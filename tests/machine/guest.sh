#!/bin/bash
#
# Run the checks in checks.sh on this machine, which is nobody's: see run.sh.
#
# usage: guest.sh [CHECK]     that one alone, as the machine's own process; without: all that are wanted
#
# What comes out is told on standard output, a line for each check: "machine: ok ..." or "machine:
# FAILED ..." with what the check and the journal said below it; "machine: end" closes it.

set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

# A check that hangs, and what it waits for, in seconds: it is an emulated machine.
check_limit=180
patience=60
began=${began:-0} # when the check did, as seconds of the clock

# ---- what checks use ----

# Give a check up.
fail()
{
    echo "$*"
    exit 1
}

# Try a command until it succeeds.
await()
{
    local until=$((SECONDS + patience))
    until "$@"; do
        [ "$SECONDS" -lt "$until" ] || fail "in vain for $patience s: $*"
        sleep 0.1
    done
}

# One property of a unit, as systemd has it.
property()
{
    systemctl show --value --property "$2" "$1"
}

is()
{
    [ "$(property "$1" "$2")" = "$3" ]
}

expect()
{
    is "$1" "$2" "$3" || fail "$2 of $1 is '$(property "$1" "$2")', not '$3'"
}

main_pid()
{
    property "${1:-echod.service}" MainPID
}

# Whether another process than this one is the unit's main one, and there is one.
has_other_pid()
{
    local pid
    pid=$(main_pid "$1")
    [ "$pid" -ne "$2" ] && [ "$pid" -ne 0 ]
}

# Whether a pattern is in what a unit, or systemd of it, logged since the check began.
logged()
{
    journalctl --sync
    journalctl --quiet --unit "${2:-echod.service}" --since "@$began" --output cat |
        grep -qE -- "$1"
}

# The options of a unit: its name, and lines of its environment.
options()
{
    local unit=$1
    shift
    printf '%s\n' "$@" >"/etc/default/$unit"
}

# Lines for the [Service] of echod.service.
drop_in()
{
    mkdir -p /run/systemd/system/echod.service.d
    { echo '[Service]' && printf '%s\n' "$@"; } >/run/systemd/system/echod.service.d/check.conf
    systemctl daemon-reload
}

connect()
{
    exec 5<>"/dev/tcp/127.0.0.1/${1:-8888}"
}

# Say a line on the connection and see its answer.
chat()
{
    local reply
    printf '%s\n' "$1" >&5 && IFS= read -r -t "$patience" reply <&5 && [ "$reply" = "${1^^}" ]
}

# Whether the peer ends the connection in order, with nothing more said.
is_ended()
{
    local said
    said=$({ IFS= read -r -t "$patience" rest <&5 || echo "$?$rest"; } 2>&1)
    [ "$said" = 1 ]
}

# A line and its answer on a connection of their own.
ask()
{
    (connect "${1:-8888}" && chat "straight")
}

# The same where it may not be there yet.
answers()
{
    ask "$@" 2>/dev/null
}

# ---- the run ----

# Nothing of an earlier check is left.
clean()
{
    systemctl stop echod.socket 'echod@*' echod.service
    rm -rf /run/systemd/system/echod*.d /etc/default/echod* /etc/echod*
    if [ -f /machine/echod ]; then
        install /machine/echod /usr/local/bin/echod.new
        mv /usr/local/bin/echod.new /usr/local/bin/echod
    fi
    systemctl log-level info
    systemctl daemon-reload
    systemctl reset-failed
} >/dev/null 2>&1

run_check()
{
    local name=$1 from=$SECONDS status=0
    clean
    began=$(date +%s.%N)
    export began
    timeout -k 5 "$check_limit" bash "$here/guest.sh" "$name" >/run/said 2>&1 </dev/null || status=$?
    if [ "$status" -eq 0 ]; then
        echo "machine: ok $name ($((SECONDS - from)) s)"
        sed 's/^/    /' /run/said
        return
    fi
    echo "machine: FAILED $name (exit code $status)"
    {
        cat /run/said
        systemctl status --no-pager --lines 0 echod.socket 'echod*.service'
        journalctl --sync
        journalctl --no-pager --output short-monotonic --unit 'echod*' --since "@$began"
    } 2>&1 | tail -n 80 | sed 's/^/    /'
}

# shellcheck source=tests/machine/checks.sh
. "$here/checks.sh"

if [ $# -eq 1 ]; then
    set -eE
    trap 'echo "failed: $BASH_COMMAND"' ERR
    "check_$1"
    exit
fi

cp /usr/local/bin/echod /machine/echod
wanted=$(cat "$here/wanted")
for check in ${wanted:-$(sed -n 's/^check_\([a-z_]*\)()$/\1/p' "$here/checks.sh")}; do
    run_check "$check"
done
echo "machine: end"
