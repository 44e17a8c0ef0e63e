"""Our client against Python's http.server, in HTTP/1.0 and 1.1, and Python's client against ours."""
import http.client
import http.server
import sys
import tempfile
import threading

from peers import Server, client, expect


class Handler(http.server.SimpleHTTPRequestHandler):
    """The server that `python3 -m http.server` is, silent, and with an answer to POST."""

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body[::-1])


def their_server(ours, version):
    with tempfile.TemporaryDirectory() as home:
        with open(home + '/file', 'wb') as file:
            file.write(b'content' * 1000)

        class Here(Handler):
            protocol_version = version

            def __init__(self, *args):
                super().__init__(*args, directory=home)

        with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Here) as server:
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                url = f'http://127.0.0.1:{server.server_port}'
                code, out, err = client(ours, url + '/file', url + '/file')
                expect(err, (code, out), (0, b'content' * 2000))
                code, _, err = client(ours, '-q', url + '/none')
                expect(err, (code, err[:4]), (0, '404 '))
                code, out, err = client(ours, '-e', '-d', 'stressed', url + '/')
                expect(err, (code, out), (0, b'desserts'))
                code, out, err = client(ours, '-q', '-c', '8', '-n', '10', url + '/file')
                expect(err, (code, err), (0, f'200 7000 {url}/file\n' * 80))
            finally:
                server.shutdown()
                thread.join()


def their_client(server):
    connection = http.client.HTTPConnection('127.0.0.1', server.port, timeout=60)
    for i in range(3):
        body = b'z' * (i * 40000)
        connection.request('POST', '/count', body=iter([body, b'1']), encode_chunked=True,
                           headers={'Transfer-Encoding': 'chunked'})
        response = connection.getresponse()
        expect('count', (response.status, response.read()), (200, b'%d\n' % (i * 40000 + 1)))
    connection.request('GET', '/chunks?size=70000')
    expect('chunks', len(connection.getresponse().read()), 70000)
    connection.close()


def main():
    for version in 'HTTP/1.0', 'HTTP/1.1':
        their_server(sys.argv[2], version)
    with Server(sys.argv[1]) as server:
        their_client(server)


main()
