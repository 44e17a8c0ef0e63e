"""wrk against our server: 64 connections, every answer there and none wrong."""
import re
import sys

from peers import SMALL, Server, expect, need, run


def main():
    wrk = need('wrk')
    seconds = 1 if SMALL else 2
    for kind in ('task',) if SMALL else ('task', 'thread'):
        for path in '/hello', '/chunks?size=2000':
            with Server(sys.argv[1], kind) as server:
                code, out, _ = run(wrk, '-c', '64', '-t', '1', '-d', f'{seconds}s',
                                   server.url + path)
            text = out.decode()
            expect(text, code, 0)
            expect(text, 'Socket errors' in text or 'Non-2xx' in text, False)
            done = int(re.search(r'(\d+) requests in', text)[1])
            expect(text, done > 64, True)
            rate = re.search(r'Requests/sec: *([\d.]+)', text)[1]
            print(f'{kind} {path}: {rate} requests a second')


main()
