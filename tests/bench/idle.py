#!/usr/bin/env python3
"""What an idle connection costs: 10,000 of them, each having echoed once, awake and hibernated.

usage: idle.py ECHOD [CONNECTIONS]

Prints bytes a connection: resident memory and page tables of the server, awake and after its tasks
hibernate, and the same once each has echoed again. The sockets' own memory is the kernel's and is
not counted.
"""
import argparse
import json
import re
import resource
import socket
import subprocess
import time

HIBERNATE_MS = 3000


def memory(pid):
    """Resident bytes and page-table bytes of a process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        lines = dict(line.split(":", 1) for line in status)
    return [int(lines[key].split()[0]) * 1024 for key in ("VmRSS", "VmPTE")]


def serve(echod, hibernate):
    """Start a server that hibernates after so long; returns it and its port."""
    server = subprocess.Popen(
        [echod, "--mode=green", "--port=0", f"--hibernate={hibernate}", "--idle-timeout=1h"],
        stderr=subprocess.PIPE, text=True)
    return server, int(re.search(r":(\d+) ", server.stderr.readline()).group(1))


def echo_all(connections):
    """One message over each connection."""
    for connection in connections:
        connection.sendall(b"hello")
    for connection in connections:
        if connection.recv(5, socket.MSG_WAITALL) != b"HELLO":
            raise RuntimeError("not an echo")


def main():
    """Measure and print a line of JSON."""
    parser = argparse.ArgumentParser(description="What an idle connection costs.")
    parser.add_argument("echod")
    parser.add_argument("connections", nargs="?", type=int, default=10000)
    given = parser.parse_args()
    count = given.connections
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    server, port = serve(given.echod, f"{HIBERNATE_MS}ms")
    try:
        warm = socket.create_connection(("127.0.0.1", port))
        echo_all([warm])
        before = memory(server.pid)
        connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
        echo_all(connections)
        awake = memory(server.pid)
        time.sleep(2.5 * HIBERNATE_MS / 1000)
        asleep = memory(server.pid)
        echo_all(connections)
        again = memory(server.pid)
    finally:
        server.kill()
        server.wait()
    result = {"connections": count}
    for name, now in (("awake", awake), ("hibernated", asleep), ("awake again", again)):
        user, tables = ((now[i] - before[i]) / count for i in (0, 1))
        result[name] = {"user": round(user), "page tables": round(tables),
                        "together": round(user + tables)}
    print(json.dumps(result))


main()
