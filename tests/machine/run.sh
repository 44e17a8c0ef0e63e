#!/bin/bash
#
# The units under a real systemd: a Debian root is made in a temporary directory, HEAD is installed
# into it, and that is booted as a machine of its own, emulated by qemu. There guest.sh starts, stops,
# reloads and upgrades echod as its units say, and reports on a serial line.
#
# usage: sudo tests/machine/run.sh [CHECK]...     names of functions in checks.sh; all without
#
# Needs root, debootstrap, git, qemu-system-x86_64, mke2fs, some 3 GB in TMPDIR, and to be the release
# that it makes, as what runs there is built here; takes ten minutes. Packages come from where
# this machine's apt has its own from. Everything mounted and started lives in namespaces that end
# with the script.
#
# SUITE=bookworm     the release to make
# MIRROR=URL         an archive other than this machine's
# BASE=DIRECTORY     keep the root there as it is before HEAD is installed, and take it from there
# KEEP=1             leave the disk and the console's output for a look; their path is printed
# LIMIT=1200         what the machine may take, in seconds

set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
top=$(CDPATH='' cd -- "$here/../.." && pwd)
suite=${SUITE:-bookworm}
limit=${LIMIT:-1200}

die()
{
    echo "machine: $*" >&2
    exit 1
}

say()
{
    echo "machine: $* (after $SECONDS s)"
}

# Run a command whose output matters only when it fails.
quietly()
{
    "$@" >"$work/log" 2>&1 </dev/null || { tail -n 20 "$work/log" >&2 && die "failed: $*"; }
}

# ---- the root ----

mirror()
{
    local found
    # shellcheck disable=SC2016 # apt fills these in
    found=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
        "Created-By: Packages" | awk -v suite="$suite" '$2 == suite && $3 == "main" { print $1; exit }')
    echo "${MIRROR:-${found:-http://deb.debian.org/debian}}"
}

# The packages of the shared libraries that the programs need.
libraries()
{
    ldd "$work/green/build/server/echod" "$work/green/build/client/echoc" |
        awk '$2 == "=>" && $3 ~ /^\// { sub(".*/", "*/", $3); print $3 }' | sort -u |
        xargs dpkg-query --search | sed -E 's/[:,].*//' | sort -u | paste -sd,
}

make_base()
{
    local base=$1 proxy
    proxy=$(apt-config shell proxy Acquire::http::Proxy | sed "s/^proxy=//; s/'//g")
    if [ -n "$proxy" ]; then
        export http_proxy=$proxy
    fi
    # The kernel for virtual machines: smaller, with all that is needed here, kernel TLS included.
    quietly timeout -k 10 1200 debootstrap --variant=minbase \
        --include="systemd,systemd-sysv,kmod,procps,openssl,linux-image-cloud-amd64,$(libraries)" \
        "$suite" "$base" "$(mirror)"
    rm -rf "$base"/var/cache/apt/archives/*.deb
}

install_green()
{
    DESTDIR=$root quietly meson install -C "$work/green/build"
    ln -s /usr/local/bin/echoc "$root/usr/bin/" # for a PATH without /usr/local
    chroot "$root" /sbin/ldconfig
    mkdir "$root/machine"
    cp "$here/guest.sh" "$here/checks.sh" "$root/machine/"
    echo "$*" >"$root/machine/wanted"
    cp "$here/machine.service" "$root/etc/systemd/system/"
    ln -s ../machine.service "$root/etc/systemd/system/multi-user.target.wants/"
    echo machine >"$root/etc/hostname"
    echo "127.0.0.1 localhost machine" >"$root/etc/hosts"
}

# ---- the machine ----

# Linux and systemd talk on the first serial line, the guest's script on the second. On a busy machine
# the emulated timer may be too late for Linux, which then takes it for missing: it is not to look.
boot()
{
    timeout -k 10 "$limit" qemu-system-x86_64 -accel tcg,thread=multi -smp 2 -m 1536 \
        -nodefaults -nic none -display none -no-reboot \
        -serial "file:$work/console" -serial "file:$work/results" \
        -drive "file=$work/disk,format=raw,if=virtio,cache=unsafe" \
        -kernel "$root/vmlinuz" -initrd "$root/initrd.img" \
        -append 'root=/dev/vda rw console=ttyS0 panic=-1 no_timer_check' </dev/null >"$work/log" 2>&1
}

judge()
{
    local failed
    if [ "$1" -ne 0 ] || ! grep -q '^machine: end' "$work/results"; then
        tail -n 40 "$work/console" "$work/log" >&2
        die "the machine did not come to its end: exit code $1 of qemu"
    fi
    failed=$(grep -c '^machine: FAILED ' "$work/results") || true
    [ "$failed" -eq 0 ] || die "checks that failed: $failed"
    grep -q '^machine: ok ' "$work/results" || die "nothing was checked"
    say "every check passed"
}

inner()
{
    local status=0
    work=$1
    shift
    root=$work/root
    mount --make-rprivate /
    say "building HEAD"
    git clone --quiet "$top" "$work/green"
    "$work/green/dev" build
    if [ -n "${BASE:-}" ] && [ -d "$BASE" ]; then
        say "taking the Debian in $BASE"
    else
        say "making a Debian $suite with a kernel"
        make_base "${BASE:-$work/base}"
    fi
    cp -a "${BASE:-$work/base}" "$root"
    install_green "$@"
    quietly mke2fs -q -t ext4 -d "$root" "$work/disk" 2G
    say "booting it"
    : >"$work/results"
    tail -n +1 -f "$work/results" | sed -u 's/\r//' &
    boot || status=$?
    sleep 1 # until tail has looked again
    judge "$status"
}

if [ "${1:-}" = --inner ]; then
    shift
    inner "$@"
    exit
fi

[ "$(id -u)" -eq 0 ] || die "needs root: sudo $0"
for tool in debootstrap git unshare chroot qemu-system-x86_64 mke2fs; do
    command -v "$tool" >/dev/null || die "needs $tool"
done

work=$(mktemp -d)
chmod 755 "$work"
status=0
unshare --mount --pid --fork --kill-child "$0" --inner "$work" "$@" || status=$?
if [ -n "${KEEP:-}" ]; then
    echo "machine: the disk and the output are in $work"
else
    rm -rf --one-file-system "$work"
fi
exit "$status"
