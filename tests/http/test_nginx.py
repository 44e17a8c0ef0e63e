"""nginx: our client against its files, and through it, as a proxy, to our server."""
import os
import sys
import tempfile
import time

from peers import Program, Server, await_port, client, expect, held_port, need, run

CONFIG = '''
daemon off;
master_process off;
pid {home}/pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    log_format connections '$connection $request';
    access_log {home}/access.log connections;
    client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
    upstream ours {{ server 127.0.0.1:{ours}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port};
        root {home}/files;
        client_max_body_size 10m;
        location /moved {{ return 301 /file; }}
        location /ours/ {{
            proxy_pass http://ours/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
            proxy_buffering off;
        }}
    }}
}}
'''


def get(program, *args, data=None):
    code, out, err = client(program, *args, data=data)
    expect(f'{args}: {err}', code, 0)
    return out, err


def files(ours, home, url):
    out, err = get(ours, url + '/file')
    expect('file', out == b'content' * 30000, True)
    expect('file', err, f'200 210000 {url}/file\n')
    expect('missing', get(ours, '-q', url + '/none')[1].split()[0], '404')
    expect('HEAD', get(ours, '-X', 'HEAD', url + '/file')[1], f'200 0 {url}/file\n')
    expect('moved', get(ours, '-q', url + '/moved')[1], f'200 210000 {url}/file\n')
    expect('directory', get(ours, '-q', url + '/sub')[1].endswith('/sub/\n'), True)
    # A hundred by ten tasks: each task's requests share connections.
    _, err = get(ours, '-q', '-c', '10', '-n', '10', url + '/file?many')
    expect('many', err, f'200 210000 {url}/file?many\n' * 100)
    lines = []
    end = time.monotonic() + 10
    while len(lines) < 100 and time.monotonic() < end:
        with open(os.path.join(home, 'access.log'), encoding='ascii') as log:
            lines = [line for line in log if '?many' in line]
    connections = {line.split()[0] for line in lines}
    expect('connections', 1 <= len(connections) <= 10, True)


def proxied(ours, url):
    body = b'0123456789' * 20000
    expect('hello', get(ours, url + '/ours/hello')[0], b'hello\n')
    expect('chunks', len(get(ours, url + '/ours/chunks?size=1000000')[0]), 1000000)
    expect('bytes', len(get(ours, url + '/ours/bytes?size=1000000')[0]), 1000000)
    expect('count', get(ours, '-T', url + '/ours/count', data=body)[0], b'200000\n')
    expect('consent', get(ours, '-e', '-T', url + '/ours/count', data=body)[0], b'200000\n')
    expect('echo', get(ours, '-T', url + '/ours/echo', data=body[:30000])[0] == body[:30000], True)
    out, _ = get(ours, '-H', 'X-Test: yes', url + '/ours/mirror?a=b')
    expect('mirror', (b'GET /mirror?a=b\n' in out, b'X-Test: yes\n' in out), (True, True))
    _, err = get(ours, '-q', '-c', '8', '-n', '25', url + '/ours/hello')
    expect('many', err, f'200 6 {url}/ours/hello\n' * 200)


def main():
    nginx = need('nginx')
    with tempfile.TemporaryDirectory() as home, Server(sys.argv[1]) as server:
        os.chmod(home, 0o755)
        os.makedirs(home + '/files/sub')
        with open(home + '/files/file', 'wb') as file:
            file.write(b'content' * 30000)
        port = held_port()
        with open(home + '/conf', 'w', encoding='ascii') as file:
            file.write(CONFIG.format(home=home, port=port, ours=server.port))
        code, _, err = run(nginx, '-p', home, '-t', '-c', home + '/conf', '-e', 'stderr')
        expect(err, code, 0)
        with Program(nginx, '-p', home, '-c', home + '/conf', '-e', 'stderr') as proxy:
            await_port(proxy.process, port)
            url = f'http://127.0.0.1:{port}'
            files(sys.argv[2], home, url)
            proxied(sys.argv[2], url)


main()
