#!/bin/bash
#
# The newcomer's way, on a machine with nothing: a bare Debian root is made in a temporary
# directory, HEAD is cloned into it, and there `./dev run` has to serve and `./dev test` to pass.
#
# usage: sudo tests/bare/run.sh
#
# Needs root, debootstrap, git and some 2 GB in TMPDIR; takes several minutes. Packages come from
# where this machine's apt has its own from. Everything mounted and started lives in namespaces
# that end with the script.
#
# SUITE=bookworm     the release to make
# MIRROR=URL         an archive other than this machine's
# KEEP=1             leave the root for a look; its path is printed

set -eu
top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
suite=${SUITE:-bookworm}

die()
{
    echo "bare: $*" >&2
    exit 1
}

say()
{
    echo "bare: $* (after $SECONDS s)"
}

# "URI release component" of each archive of the wanted release that this machine uses.
archives()
{
    if [ -n "${MIRROR:-}" ]; then
        echo "$MIRROR $suite main"
        return
    fi
    # shellcheck disable=SC2016 # apt fills these in
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' "Created-By: Packages" |
        awk -v suite="$suite" '($2 == suite || index($2, suite "-") == 1) && $3 == "main"' | sort -u
}

make_root()
{
    local list=$work/archives mirror proxy
    archives >"$list"
    mirror=$(awk -v suite="$suite" '$2 == suite { print $1; exit }' "$list")
    if [ -z "$mirror" ]; then
        mirror=http://deb.debian.org/debian
        echo "$mirror $suite main" >>"$list"
    fi
    proxy=$(apt-config shell proxy Acquire::http::Proxy | sed "s/^proxy=//; s/'//g")
    if [ -n "$proxy" ]; then
        export http_proxy=$proxy
    fi
    debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$work/log" 2>&1 ||
        { tail -n 20 "$work/log" >&2 && die "debootstrap failed"; }

    sed 's/^/deb /' "$list" >"$root/etc/apt/sources.list"
    # How this machine reaches the archive: proxies, and leave to use an archive of an older day.
    apt-config dump | grep -E '^Acquire::(https?::(.*::)?Proxy|Check-)' \
        >"$root/etc/apt/apt.conf.d/50-bare" || true
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
}

mount_inside()
{
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    mknod -m 666 "$root/dev/null" c 1 3
    mknod -m 666 "$root/dev/zero" c 1 5
    mknod -m 666 "$root/dev/full" c 1 7
    mknod -m 666 "$root/dev/random" c 1 8
    mknod -m 666 "$root/dev/urandom" c 1 9
    mknod -m 666 "$root/dev/tty" c 5 0
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    mount -t tmpfs tmpfs "$root/dev/shm"
    mount -t tmpfs tmpfs "$root/run"
}

# The port that echod names in its first line, once it has.
wait_for_port()
{
    local port
    for _ in $(seq 1200); do
        port=$(sed -nE 's/^echod: listening on [^ ]*:([0-9]+) .*/\1/p' "$work/echod.log" | head -n 1)
        if [ -n "$port" ]; then
            echo "$port"
            return
        fi
        if ! kill -0 "$1" 2>/dev/null; then
            break
        fi
        sleep 0.5
    done
    cat "$work/echod.log" >&2
    die "./dev run does not serve"
}

check_run()
{
    local echod port reply
    "${inside[@]}" /green/dev run --port 0 >"$work/echod.log" 2>&1 &
    echod=$!
    port=$(wait_for_port "$echod")
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'stra\303\237e\n' >&3
    IFS= read -r -t 10 reply <&3 || die "no reply"
    exec 3>&-
    [ "$reply" = STRASSE ] || die "the reply is '$reply', not STRASSE"
    kill -TERM "$echod"
    wait "$echod" || die "echod ended with $? at SIGTERM"
    cat "$work/echod.log"
    say "./dev run serves"
}

inner()
{
    work=$1
    root=$work/root
    # A login's environment, so that nothing of this machine's shell matters inside.
    inside=(chroot "$root" /usr/bin/env -i HOME=/root TERM=dumb LANG=C.UTF-8
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
    mount --make-rprivate /
    say "making a bare Debian $suite"
    make_root
    git clone --quiet "$top" "$root/green"
    mount_inside
    say "./dev run"
    check_run
    say "./dev test"
    "${inside[@]}" /green/dev test
    say "./dev test passes"
}

if [ "${1:-}" = --inner ]; then
    inner "$2"
    exit
fi

[ "$(id -u)" -eq 0 ] || die "needs root: sudo $0"
for tool in debootstrap git unshare chroot; do
    command -v "$tool" >/dev/null || die "needs $tool"
done

work=$(mktemp -d)
chmod 755 "$work"
status=0
unshare --mount --pid --fork --kill-child "$0" --inner "$work" || status=$?
if [ -n "${KEEP:-}" ]; then
    echo "bare: the root is $work/root"
else
    rm -rf --one-file-system "$work"
fi
exit "$status"
