"""curl against our server: keep-alive, chunks, consent, HEAD, HTTP/1.0, limits, draining."""
import subprocess
import sys
import time

from peers import WRAPPER, Server, expect, need, run

CURL = [need('curl'), '--silent', '--show-error', '--max-time', '60', '--noproxy', '*']


def curl(*args, data=None):
    code, out, err = run(*CURL, *args, data=data)
    expect(f'curl {args}: {err}', code, 0)
    return out


def exchanges(url):
    expect('GET', curl(url + '/hello'), b'hello\n')
    expect('404', curl('-o', '/dev/null', '-w', '%{http_code}', url + '/none'), b'404')
    # Three requests over one connection.
    out = curl('-w', '%{num_connects} ', *[url + '/hello'] * 3)
    expect('connections', out, b'hello\n1 hello\n0 hello\n0 ')
    out = curl('-I', url + '/bytes?size=12345')
    expect('HEAD', b'content-length: 12345\r\n' in out.lower() and out.endswith(b'\r\n\r\n'), True)
    out = curl('--http1.0', '-i', url + '/chunks?size=10')
    expect('HTTP/1.0', (b'Connection: close\r\n' in out, out[-10:]), (True, b'x' * 10))
    out = curl('--http1.0', '-H', 'Connection: keep-alive', '-w', '%{num_connects} ',
               *[url + '/hello'] * 2)
    expect('HTTP/1.0 kept', out, b'hello\n1 hello\n0 ')
    expect('encoded', curl(url + '/mirror?a%20b').splitlines()[0], b'GET /mirror?a%20b')


def bodies(url):
    body = bytes(range(256)) * 4096
    out = curl('--data-binary', '@-', '-H', 'Expect:', url + '/echo', data=body[:100000])
    expect('echo', out == body[:100000], True)
    out = curl('-T', '-', '-H', 'Expect:', url + '/echo', data=body[:100000])
    expect('echo in chunks', out == body[:100000], True)
    expect('counted', curl('--data-binary', '@-', url + '/count', data=body), b'1048576\n')
    expect('chunks', curl('-T', '-', url + '/count', data=body), b'1048576\n')
    for path in '/bytes', '/chunks':
        expect(path, len(curl(f'{url}{path}?size=3000000')), 3000000)


def consent(url):
    code, out, err = run(*CURL, '-v', '-H', 'Expect: 100-continue', '--expect100-timeout', '50',
                         '--data-binary', '@-', url + '/count', data=b'y' * 5000)
    expect('consent', (code, out, '< HTTP/1.1 100 Continue' in err), (0, b'5000\n', True))
    # Refused before a byte of the body was sent.
    code, out, err = run(*CURL, '-v', '-H', 'Expect: 100-continue', '--expect100-timeout', '50',
                         '-H', 'Content-Length: 200000000', '--data-binary', '@-',
                         url + '/count', data=b'y' * 5000)
    expect('refused', ('< HTTP/1.1 413' in err, '100 Continue' in err), (True, False))


def refusals(url):
    for status, *args in (
            (b'414', url + '/' + 'a' * 9000),
            (b'431', '-H', 'A: ' + 'b' * 40000, url + '/hello'),
            (b'501', '-X', 'BREW', url + '/hello'),
            (b'400', '-H', 'Host:', url + '/hello'),
            (b'417', '-H', 'Expect: wonders', url + '/hello')):
        expect(args[-1][-20:], curl('-o', '/dev/null', '-w', '%{http_code}', *args), status)


def drain(program, kind):
    """An endless response ends in order when the server is told to end."""
    with Server(program, kind) as server:
        reader = subprocess.Popen([*CURL, '--no-buffer', server.url + '/events'],
                                  stdout=subprocess.PIPE)
        first = reader.stdout.readline()
        expect('first event', first, b'data: 0\n')
    rest = reader.stdout.read()
    expect('end of events', (reader.wait(60), (first + rest).endswith(b'\n\n')), (0, True))


def main():
    # Valgrind knows no pidfd_open(), without which there are no processes.
    for kind in ['task', 'thread'] + ([] if WRAPPER else ['process']):
        started = time.monotonic()
        with Server(sys.argv[1], kind) as server:
            exchanges(server.url)
            bodies(server.url)
            consent(server.url)
            refusals(server.url)
        drain(sys.argv[1], kind)
        print(f'curl and {kind}: {time.monotonic() - started:.1f} s')


main()
