# shellcheck shell=bash
#
# What is checked of the units: a function for each, run in its order and in a process of its own, on
# a machine where no echod runs and none has options. It fails where a command does, or by fail().
# What it says is shown. To add one is to write one here.

: "${began:?}" "${patience:?}" # they are guest.sh's

# Type=notify: active is one that serves, at once; and the sandbox holds.
check_service_starts()
{
    local reply pid
    systemctl start echod.service
    expect echod.service ActiveState active
    expect echod.service Type notify
    reply=$(echoc -e hello)
    [ "$reply" = HELLO ] || fail "the reply is '$reply', not HELLO"
    pid=$(main_pid)
    grep -qx "NoNewPrivs:.1" "/proc/$pid/status" || fail "it may gain privileges"
    grep -qx "Seccomp:.2" "/proc/$pid/status" || fail "no filter of system calls"
    grep -qx "CapBnd:.0*" "/proc/$pid/status" || fail "it has capabilities in its bounds"
    [ "$(stat -c %u "/proc/$pid")" -ge 61184 ] || fail "it has no user of its own"
    await logged "^listening on 127.0.0.1:8888 \(mode green, 1 worker, pid $pid\)"
}

# One that cannot serve has never been active.
check_start_fails()
{
    systemctl start echod@9001.service
    options echod ECHOD_PORT=9001
    drop_in Restart=no
    if systemctl start echod.service 2>&1; then
        fail "it started beside another that has its port"
    fi
    expect echod.service ActiveState failed
    expect echod.service ActiveEnterTimestampMonotonic 0
    await logged "127.0.0.1:9001 is in use"
    ask 9001
}

check_admin_pages_in_the_sandbox()
{
    local page memory
    options echod ECHOD_ADMIN=127.0.0.1:9100 ECHOD_WORKERS=2
    systemctl start echod.service
    ask
    connect 9100
    printf 'GET /metrics HTTP/1.0\r\n\r\n' >&5
    page=$(timeout "$patience" cat <&5)
    memory=$(sed -nE 's/^process_resident_memory_bytes ([0-9.e+]+).*/\1/p' <<<"$page")
    echo "process_resident_memory_bytes $memory"
    [ "${memory:-0}" != 0 ] || fail "$page"
}

# Files that options name: the unit lends no directory, a drop-in does.
check_files()
{
    local reply
    drop_in RuntimeDirectory=echod LogsDirectory=echod
    options echod ECHOD_UNIX=/run/echod/socket ECHOD_ACCESS_LOG=/var/log/echod/access
    systemctl start echod.service
    reply=$(echoc --unix /run/echod/socket -e hello)
    [ "$reply" = HELLO ] || fail "the reply is '$reply', not HELLO"
    await grep -q "received=5" /var/log/echod/access
    mv /var/log/echod/access /var/log/echod/access.1
    systemctl kill -s USR1 --kill-who=main echod.service
    await test -e /var/log/echod/access
    expect echod.service ActiveState active
}

make_certificate()
{
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
        -addext subjectAltName=DNS:localhost -keyout /etc/echod/key.new -out /etc/echod/cert.pem \
        2>/dev/null
    chgrp keys /etc/echod/key.new
    chmod 640 /etc/echod/key.new
    mv /etc/echod/key.new /etc/echod/key.pem
}

has_certificate()
{
    openssl s_client -connect localhost:8888 </dev/null 2>&1 | grep -q "^subject=CN = $1\$"
}

# A key is its group's to read, and renewed by a reload.
check_tls()
{
    local reply
    groupadd --force keys
    mkdir /etc/echod
    make_certificate first
    drop_in SupplementaryGroups=keys
    options echod ECHOD_TLS_CERT=/etc/echod/cert.pem ECHOD_TLS_KEY=/etc/echod/key.pem
    systemctl start echod.service
    reply=$(echoc --tls --tls-ca /etc/echod/cert.pem -e hello localhost)
    [ "$reply" = HELLO ] || fail "the reply is '$reply', not HELLO"
    await has_certificate first
    make_certificate second
    systemctl reload echod.service
    await has_certificate second
    expect echod.service ActiveState active
}

# ---- the socket unit ----

check_socket_starts_it()
{
    systemctl start echod.socket
    expect echod.socket SubState listening
    expect echod.service ActiveState inactive
    ask
    expect echod.service ActiveState active
    expect echod.socket SubState running
}

# Ask again and again until there is a file; say of each that got no answer, and count in the end.
ask_until()
{
    local asked=0
    while [ ! -e "$1" ]; do
        ask || echo "question $asked got no answer"
        asked=$((asked + 1))
    done
    echo "$asked questions"
}

check_restarts_lose_nobody()
{
    local pid
    systemctl start echod.socket
    ask
    ask_until /run/enough >/run/asked 2>&1 &
    for _ in 1 2 3; do
        pid=$(main_pid)
        systemctl restart echod.service
        has_other_pid echod.service "$pid" || fail "it is the same process"
        sleep 1 # some are asked between two
    done
    touch /run/enough
    wait $!
    cat /run/asked
    grep -qxE '[0-9]{2,} questions' /run/asked || fail "too few"
    [ "$(wc -l </run/asked)" -eq 1 ] || fail "some lost"
}

# ---- reload ----

# Its answer, and then the end of the connection, as --max-bytes has it.
is_bounded()
{
    (connect && chat bound && is_ended)
}

check_reload()
{
    echo 'idle-timeout = 300s' >/etc/echod.conf
    options echod ECHOD_CONFIG=/etc/echod.conf
    systemctl start echod.service
    connect
    chat "before"
    echo 'max-bytes = 6' >/etc/echod.conf
    systemctl reload echod.service
    await logged "the configuration was read again"
    await is_bounded
    chat "behind" || fail "the reload closed a connection"
    expect echod.service ActiveState active
    expect echod.service NRestarts 0
}

# The signal alone: that it reloads systemd knows from echod.
check_reload_is_told()
{
    systemctl start echod.service
    systemctl log-level debug
    systemctl kill -s HUP --kill-who=main echod.service
    await logged 'echod.service: Changed running -> reload'
    await logged 'echod.service: Changed reload -> running'
    systemctl log-level info
    expect echod.service ActiveState active
}

check_reload_of_what_is_wrong()
{
    echo 'port = 8888' >/etc/echod.conf
    options echod ECHOD_CONFIG=/etc/echod.conf
    systemctl start echod.service
    echo 'port = 99999' >/etc/echod.conf
    systemctl reload echod.service
    await logged "echod.conf:1: .* the configuration stays as it was"
    ask
    expect echod.service ActiveState active
}

# ---- upgrade ----

# Put a new program in the place of the old one and have echod start it.
upgrade()
{
    local unit=${1:-echod.service} old
    old=$(main_pid "$unit")
    cp /machine/echod /usr/local/bin/echod.new
    mv /usr/local/bin/echod.new /usr/local/bin/echod
    systemctl kill -s USR2 --kill-who=main "$unit"
    await has_other_pid "$unit" "$old"
    expect "$unit" ActiveState active
}

is_gone()
{
    [ ! -d "/proc/$1" ]
}

# Be answered, fall silent, and go once the connection is ended in order.
keep_silent()
{
    connect
    chat "before"
    touch /run/silent
    is_ended
}

# Say line after line on one connection until it is ended in order.
talk()
{
    local said=0
    connect
    while chat "line $said"; do
        said=$((said + 1))
    done
    echo "$said lines"
}

check_upgrade()
{
    local old silent talking
    options echod ECHOD_DRAIN_TIMEOUT=4s
    systemctl start echod.service
    old=$(main_pid)
    keep_silent &
    silent=$!
    talk >/run/talked 2>&1 &
    talking=$!
    await test -e /run/silent
    upgrade
    ask || fail "nobody answers"
    wait "$silent" || fail "an idle connection was not ended in order"
    wait "$talking" || fail "a connection was cut: $(cat /run/talked)"
    cat /run/talked
    await is_gone "$old"
    expect echod.service ActiveState active
    expect echod.service NRestarts 0
    stop_drains
}

# systemd is nobody's parent then until the old program has gone, and sees the new one end all the same.
check_upgrade_is_watched()
{
    local old pid
    drop_in WatchdogSec=4s
    systemctl start echod.service
    old=$(main_pid)
    upgrade
    await is_gone "$old"
    pid=$(main_pid)
    sleep 10 # more than twice what it may keep silent
    expect echod.service MainPID "$pid"
    expect echod.service NRestarts 0
    kill -STOP "$pid"
    await is echod.service NRestarts 1
    await answers
    kill -KILL "$(main_pid)"
    await is echod.service NRestarts 2
    await answers
}

check_upgrade_fails()
{
    local pid
    systemctl start echod.service
    pid=$(main_pid)
    cp /bin/false /usr/local/bin/echod.new
    mv /usr/local/bin/echod.new /usr/local/bin/echod
    systemctl kill -s USR2 --kill-who=main echod.service
    await logged "the upgrade has failed: pid [0-9]+ ended; this one goes on"
    expect echod.service MainPID "$pid"
    expect echod.service ActiveState active
    ask
}

check_upgrade_under_the_socket()
{
    local old
    systemctl start echod.socket
    ask
    old=$(main_pid)
    upgrade
    await is_gone "$old"
    ask
    systemctl stop echod.service 2>&1
    expect echod.service ActiveState inactive
    expect echod.socket SubState listening
    ask
    expect echod.service ActiveState active
}

# ---- the end ----

check_watchdog()
{
    local pid
    drop_in WatchdogSec=4s
    options echod ECHOD_WORKERS=2
    systemctl start echod.service
    sleep 10
    expect echod.service NRestarts 0
    pid=$(main_pid)
    kill -STOP "$pid"
    SECONDS=0
    await has_other_pid echod.service "$pid"
    echo "restarted after $SECONDS s"
    await is echod.service ActiveState active
    await logged 'Watchdog timeout'
    ask
}

# Stop echod, which serves somebody: it is waited for, and leaves nothing that is amiss.
stop_drains()
{
    local silent
    rm -f /run/silent
    keep_silent &
    silent=$!
    await test -e /run/silent
    systemctl stop echod.service
    wait "$silent" || fail "an idle connection was not ended in order"
    expect echod.service ActiveState inactive
    logged '^draining; 1 open' || fail "it did not drain"
    logged '^echod.service: Deactivated successfully' || fail "it did not exit with 0"
}

check_stop_drains()
{
    systemctl start echod.service
    stop_drains
    journalctl --quiet --identifier echod --unit echod.service --since "@$began" --priority info |
        grep -q draining || fail "the journal does not know whose line that is"
}

# ---- several ----

check_instances()
{
    local modes="green thread prefork" port=9001 pid
    for mode in $modes; do
        options "echod-$port" "ECHOD_MODE=$mode" ECHOD_WORKERS=2
        [ "$mode" != thread ] || sed -i /WORKERS/d "/etc/default/echod-$port"
        systemctl start "echod@$port.service"
        ask "$port" || fail "nobody answers in mode $mode"
        logged "listening on 127.0.0.1:$port \(mode $mode" "echod@$port.service" ||
            fail "it is not in mode $mode"
        port=$((port + 1))
    done
    systemctl stop echod@9001.service
    logged 'echod@9001.service: Deactivated successfully' echod@9001.service ||
        fail "the first did not exit with 0"
    ask 9002
    pid=$(main_pid echod@9003.service)
    upgrade echod@9003.service
    await is_gone "$pid"
    ask 9003
    systemctl stop 'echod@*'
    logged 'echod@9003.service: Deactivated successfully' echod@9003.service ||
        fail "the third did not exit with 0"
}

# The rating that the documentation claims, by the systemd that runs it.
check_rating()
{
    for unit in echod.service echod@9001.service; do
        systemd-analyze security --no-pager --threshold=15 "$unit" >/run/rating ||
            fail "$(cat /run/rating)"
        tail -n 1 /run/rating
    done
}

# ---- the kernel ----

# How many connections the kernel has ever sealed for.
sealed()
{
    awk '$1 == "TlsTxSw" { print $2 }' /proc/net/tls_stat
}

# The kernel seals what is sent, under the unit's sandbox and in every mode.
check_kernel_tls()
{
    local before
    modprobe tls
    groupadd --force keys
    mkdir /etc/echod
    make_certificate first
    drop_in SupplementaryGroups=keys
    yes 'a line of what is to be upper-cased' 2>/dev/null | head -c 3000000 >/run/text
    tr '[:lower:]' '[:upper:]' </run/text >/run/wanted
    for mode in green thread prefork; do
        options echod ECHOD_TLS_CERT=/etc/echod/cert.pem ECHOD_TLS_KEY=/etc/echod/key.pem \
            ECHOD_TLS_OFFLOAD=yes "ECHOD_MODE=$mode"
        systemctl restart echod.service
        before=$(sealed)
        echoc --tls --tls-ca /etc/echod/cert.pem localhost </run/text >/run/got
        cmp /run/wanted /run/got || fail "mode $mode: not what was sent"
        [ "$(sealed)" -gt "$before" ] || fail "mode $mode: the kernel sealed nothing"
    done
    if logged 'nothing is offloaded'; then
        fail "it takes the kernel for one without TLS"
    fi
    echo "sealed for $(sealed) connections"
}
