#!/bin/sh
#
# What testssl.sh finds wrong with echod's TLS: nothing of medium severity or worse.
#
# usage: testssl.sh ECHOD
#
# Takes some minutes, so it is a part of `./dev soak` (soak.sh tls). Exits with 77 where testssl.sh is
# missing. The certificate has all that a good one has; that it is from no known authority is the
# test's own doing, and so testssl.sh is told to trust it.

set -eu

echod=$1
if ! command -v testssl >/dev/null || ! command -v openssl >/dev/null; then
    echo "testssl: skipped, there is no testssl or no openssl"
    exit 77
fi

directory=$(mktemp -d)
server=
finish()
{
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
    fi
    rm -rf "$directory"
}
trap finish EXIT
trap 'exit 1' INT TERM

# $1: a name; the rest goes to openssl req.
certificate()
{
    name=$1
    shift
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 \
        -keyout "$directory/$name.key" -out "$directory/$name.pem" "$@" 2>/dev/null
}
certificate ca -subj '/CN=a CA'
certificate server -subj /CN=localhost -CA "$directory/ca.pem" -CAkey "$directory/ca.key" \
    -addext basicConstraints=critical,CA:false -addext subjectAltName=DNS:localhost \
    -addext keyUsage=digitalSignature -addext extendedKeyUsage=serverAuth \
    -addext crlDistributionPoints=URI:http://localhost/crl

"$echod" --port=0 --tls-cert="$directory/server.pem" --tls-key="$directory/server.key" \
    2>"$directory/log" &
server=$!
port=
while [ -z "$port" ]; do
    port=$(sed -n 's/^echod: listening on 127\.0\.0\.1:\([0-9]*\) .*/\1/p' "$directory/log")
    if [ -z "$port" ]; then
        kill -0 "$server"
        sleep 0.1
    fi
done

# Its exit status counts things that it could not do as well; the findings are what is asked for.
testssl --quiet --warnings off --color 0 --ip 127.0.0.1 --add-ca "$directory/ca.pem" \
    --jsonfile "$directory/found.json" "localhost:$port" </dev/null >"$directory/out" 2>&1 || true
kill -0 "$server"
python3 - "$directory/found.json" <<'END'
import json
import sys
with open(sys.argv[1], encoding="utf-8") as file:
    found = json.load(file)
worse = [f for f in found if f["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL")]
for f in worse:
    print("testssl:", f["severity"], f["id"], f["finding"])
looked = {f["id"] for f in found}
for wanted in ("TLS1_2", "TLS1_3", "heartbleed", "secure_client_renego", "cert_chain_of_trust"):
    if wanted not in looked:
        sys.exit(f"testssl: it has not looked at {wanted}")
print(f"testssl: {len(found)} findings, {len(worse)} of them medium or worse")
sys.exit(bool(worse))
END
