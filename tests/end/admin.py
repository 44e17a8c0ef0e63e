"""The admin pages of echod in one mode: what they say, what they refuse, and that they live.

admin.py ECHOD MODE
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import echod
from echod import talk, until

PROGRAM, MODE = sys.argv[1:3]


class Admin(echod.Admin):
    def __init__(self, *options):
        super().__init__(PROGRAM, MODE, *options)


class Pages(unittest.TestCase):
    def test_probes(self):
        with Admin() as server:
            self.assertEqual(server.ask('/healthz'), (200, 'ok\n'))
            self.assertEqual(server.ask('/readyz'), (200, 'ready\n'))
            self.assertEqual(server.ask('/readyz', 'HEAD'), (200, ''))
            self.assertEqual(server.ask('/nowhere')[0], 404)
            self.assertEqual(server.ask('/metrics', 'DELETE')[0], 405)
            self.assertIn('mode = ' + MODE.rstrip('2'), server.ask('/config')[1])

    def test_numbers(self):
        with Admin() as server:
            connections = [server.connect() for _ in range(3)]
            for connection in connections:
                talk(connection, b'hello')
                talk(connection, b'again!')
            until(lambda: server.metric('echod_messages_total') == 6, 'messages')
            self.assertEqual(server.metric('echod_connections_accepted_total'), 3)
            self.assertEqual(server.metric('echod_connections'), 3)
            self.assertEqual(server.metric('echod_received_bytes_total'), 33)
            until(lambda: server.metric('echod_sent_bytes_total') == 33, 'sent bytes')
            until(lambda: server.metric('echod_message_duration_seconds_count') == 6, 'durations')
            self.assertGreater(server.metric('process_resident_memory_bytes'), 100000)
            connections[0].close()
            until(lambda: 'reason="peer"} 1\n' in server.ask('/metrics')[1], 'an ended connection')
            self.assertEqual(sum(w['connections'] for w in server.status()['workers']), 2)
            for connection in connections[1:]:
                connection.close()

    def test_metrics_by_promtool(self):
        if shutil.which('promtool') is None:
            self.skipTest('there is no promtool')
        with Admin() as server:
            text = server.ask('/metrics')[1]
            check = subprocess.run(['promtool', 'check', 'metrics'], input=text, text=True,
                                   capture_output=True, timeout=60)
            self.assertEqual((check.returncode, check.stderr, check.stdout), (0, '', ''))

    def test_what_there_is(self):
        with Admin() as server, server.connect() as connection:
            talk(connection, b'hello')
            text = server.ask('/metrics')[1]
            for name, kind in {
                    'echod_connections': 'gauge', 'echod_connections_accepted_total': 'counter',
                    'echod_messages_total': 'counter', 'echod_received_bytes_total': 'counter',
                    'echod_sent_bytes_total': 'counter',
                    'echod_message_duration_seconds': 'histogram',
                    'echod_connections_ended_total': 'counter', 'echod_refused_total': 'counter',
                    'echod_accept_errors_total': 'counter', 'echod_workers': 'gauge',
                    'echod_tasks': 'gauge', 'echod_run_queue_length': 'gauge',
                    'echod_loop_lag_seconds': 'gauge', 'echod_stack_high_water_bytes': 'gauge',
                    'echod_open_fds': 'gauge', 'echod_max_fds': 'gauge',
                    'process_cpu_seconds_total': 'counter', 'process_open_fds': 'gauge',
                    'process_max_fds': 'gauge', 'process_threads': 'gauge',
                    'process_virtual_memory_bytes': 'gauge',
                    'process_resident_memory_bytes': 'gauge',
                    'process_start_time_seconds': 'gauge'}.items():
                self.assertIn(f'# TYPE {name} {kind}\n', text)
                self.assertRegex(text, rf'(?m)^{name}(_count)?(\{{.*\}})? [0-9.e+-]+$')

    def test_the_service(self):
        with Admin() as server:
            text = 'stra\u00dfe \u0149 ' * 20000
            status, answer = server.ask('/upper', 'POST', text.encode())
            self.assertEqual((status, answer), (200, text.upper()))
            chunks = (bytes([byte]) for byte in 'd\u00e9j\u00e0 vu'.encode())
            self.assertEqual(server.ask('/upper', 'POST', chunks), (200, 'D\u00c9J\u00c0 VU'))

    @unittest.skipUnless(shutil.which('curl'), 'there is no curl')
    def test_the_service_by_curl(self):
        with Admin() as server:
            url = f'http://127.0.0.1:{server.admin_port}/upper'
            text = 'stra\u00dfe ' * 100000
            for header in ('Expect: 100-continue', 'Transfer-Encoding: chunked'):
                done = subprocess.run(['curl', '-sS', '-H', header, '--data-binary', '@-', url],
                                      input=text, capture_output=True, text=True,
                                      timeout=echod.PATIENCE)
                self.assertEqual((done.stdout, done.stderr), (text.upper(), ''))
            # What is there is answered while the rest is still to come.
            with subprocess.Popen(['curl', '-sSN', '-T', '.', '-X', 'POST', url],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL) as curl:
                for word in (b'one', b'two'):
                    curl.stdin.write(word)
                    curl.stdin.flush()
                    self.assertEqual(curl.stdout.read(len(word)), word.upper())
                curl.stdin.close()
                self.assertEqual(curl.stdout.read(), b'')

    @unittest.skipUnless(shutil.which('wrk'), 'there is no wrk')
    def test_the_service_by_wrk(self):
        with Admin() as server, tempfile.NamedTemporaryFile('w', suffix='.lua') as script:
            script.write("""wrk.method = 'POST'
wrk.body = 'hello'
function response(status, headers, body)
  if status ~= 200 or body ~= 'HELLO' then
    print('WRONG')
  end
end
""")
            script.flush()
            done = subprocess.run(
                ['wrk', '-t1', '-c4', '-d1s', '-s', script.name,
                 f'http://127.0.0.1:{server.admin_port}/upper'], capture_output=True, text=True,
                timeout=echod.PATIENCE)
            self.assertRegex(done.stdout, r'[1-9]\d* requests in')
            self.assertNotRegex(done.stdout, 'WRONG|Socket errors|Non-2xx')

    def test_events(self):
        with Admin() as server:
            connection = http.client.HTTPConnection('127.0.0.1', server.admin_port,
                                                    timeout=echod.PATIENCE)
            connection.request('GET', '/events')
            answer = connection.getresponse()
            self.assertEqual(answer.getheader('Content-Type'), 'text/event-stream')
            times = []
            while len(times) < 2:
                line = answer.readline()
                if line.startswith(b'data: '):
                    times.append(json.loads(line[6:])['status']['time'])
            self.assertLess(times[0], times[1])
            connection.close()


class Processes(unittest.TestCase):
    """The metrics that Prometheus names process_*, over all processes of echod."""

    def setUp(self):
        if echod.WRAPPER:
            self.skipTest('children are the wrapper\'s')

    def compare(self, server, name, look, more=0):
        """A metric has to be what /proc says, or a little more, while nothing begins or ends."""
        connection = http.client.HTTPConnection('127.0.0.1', server.admin_port,
                                                timeout=echod.PATIENCE)

        def same():
            connection.request('GET', '/metrics')
            said = connection.getresponse().read().decode()
            value = float(re.search(rf'^{name} (\S+)$', said, re.M)[1])
            return 0 <= value - sum(look(f'/proc/{pid}') for pid in server.processes()) <= more
        try:
            until(same, name)
        finally:
            connection.close()

    def test_sums(self):
        before = time.time()
        with Admin() as server:
            after = time.time()
            connections = [server.connect() for _ in range(5)]
            for connection in connections:
                talk(connection, b'hello')
            # A thread that waits in accept() has reserved one, which is counted but not shown.
            self.compare(server, 'process_open_fds', lambda path: len(os.listdir(path + '/fd')),
                         more=1)
            self.compare(server, 'process_threads', lambda path: len(os.listdir(path + '/task')))
            self.compare(server, 'process_max_fds', lambda path: int(
                re.search(r'^Max open files +(\d+)', echod.read(path + '/limits'), re.M)[1]))
            started = server.metric('process_start_time_seconds')
            self.assertTrue(before - 1 <= started <= after + 1, (before, started, after))
            resident = server.metric('process_resident_memory_bytes')
            self.assertGreater(resident, 1 << 20)
            self.assertGreater(server.metric('process_virtual_memory_bytes'), resident)
            for connection in connections:
                connection.close()

    def test_processor_time_never_falls(self):
        """Not even when those end that have used it."""
        with Admin('--burn=300') as server:
            with server.connect() as connection:
                talk(connection, b'some work')
                used = server.metric('process_cpu_seconds_total')
                self.assertGreater(used, 0.25)
                if MODE in ('green2', 'prefork'):
                    pids = server.workers()
                    for pid in pids:
                        os.kill(pid, signal.SIGKILL)
                    until(lambda: set(pids).isdisjoint(
                        w['pid'] for w in server.status()['workers']), 'others')
            self.assertGreaterEqual(server.metric('process_cpu_seconds_total'), used)


class Tasks(unittest.TestCase):
    def test_every_process_says_what_it_does(self):
        with Admin() as server:
            connections = [server.connect() for _ in range(3)]
            for connection in connections:
                talk(connection, b'hello')
            said = server.said()
            for _ in range(2):
                status, text = server.ask('/tasks')
                self.assertEqual(status, 200)
                pids = server.workers()
                self.assertEqual(re.findall(r'^green: dump of process (\d+):', text, re.M),
                                 [str(pid) for pid in pids])
                self.assertEqual(text.count('green: end of the dump\n'), len(pids))
                self.assertIn('serve+' if os.uname().machine == 'x86_64' else 'fd ', text)
            self.assertEqual(server.said(), said)  # nothing of it in the log
            for connection in connections:
                talk(connection, b'still there')
                connection.close()

    def test_one_that_does_not_answer(self):
        if echod.WRAPPER:
            self.skipTest('the wrapper would stop')
        with Admin('--worker-timeout=0') as server:
            pids = server.workers()
            os.kill(pids[-1], signal.SIGSTOP)
            try:
                text = server.ask('/tasks')[1]
            finally:
                os.kill(pids[-1], signal.SIGCONT)
            self.assertIn(f'process {pids[-1]} does not answer', text)
            self.assertEqual(text.count('green: end of the dump\n'), len(pids) - 1)
            until(lambda: server.ask('/tasks')[1].count('end of the dump\n') == len(pids), 'all')


class Actions(unittest.TestCase):
    def test_not_allowed_by_default(self):
        with Admin() as server:
            self.assertEqual(server.ask('/drain', 'POST', X_Echod_Action='1')[0], 403)
            self.assertEqual(server.ask('/readyz')[0], 200)

    def test_not_by_a_page_from_elsewhere(self):
        with Admin('--admin-actions') as server:
            self.assertEqual(server.ask('/drain', 'POST')[0], 403)
            self.assertEqual(
                server.ask('/drain', 'POST', X_Echod_Action='1', Host='evil.example')[0], 403)
            self.assertEqual(server.ask('/drain', X_Echod_Action='1')[0], 405)
            self.assertEqual(server.ask('/readyz')[0], 200)

    def test_log_level(self):
        with Admin('--admin-actions') as server:
            self.assertEqual(server.ask('/log-level?level=loud', 'POST', X_Echod_Action='1')[0], 400)
            self.assertEqual(server.ask('/log-level?level=error', 'POST', X_Echod_Action='1')[0], 200)
            self.assertEqual(server.status()['log_level'], 'error')

    def test_drain(self):
        server = Admin('--admin-actions')
        self.assertEqual(server.ask('/drain', 'POST', X_Echod_Action='1')[0], 202)
        self.assertEqual(server.process.wait(echod.PATIENCE), 0)


class Life(unittest.TestCase):
    def test_not_ready_before_it_stops_accepting(self):
        with Admin('--drain-delay=60s') as server:
            server.process.terminate()
            until(lambda: server.ask('/readyz') == (503, 'draining\n'), 'draining')
            with server.connect() as connection:
                talk(connection, b'still accepted')
            self.assertEqual(server.ask('/healthz')[0], 200)
            until(lambda: server.metric('echod_connections') == 0, 'the end of it')
            self.assertIsNone(server.process.poll())

    def test_the_drain_follows_the_delay(self):
        server = Admin('--drain-delay=200ms')
        with server.connect() as connection:
            talk(connection)
            server.process.terminate()
            self.assertEqual(connection.recv(1), b'')
        self.assertEqual(server.process.wait(echod.PATIENCE), 0)
        self.assertRegex(server.said(), r'draining in 200 ms\n(.*\n)*.*draining; 1 open\n')

    def test_a_killed_worker_is_seen(self):
        if MODE not in ('green2', 'prefork'):
            self.skipTest('there are no workers')
        with Admin() as server:
            before = server.workers()
            os.kill(before[0], signal.SIGKILL)
            until(lambda: (pids := server.workers())
                  and before[0] not in pids and len(pids) == len(before), 'the next worker')

    def admin_process(self, server):
        """Of the children, the one that is no worker."""
        workers = server.workers()
        return [pid for pid in server.processes()[1:] if pid not in workers]

    def test_it_is_started_again(self):
        if echod.WRAPPER:
            self.skipTest('children are the wrapper\'s')
        with Admin() as server:
            time.sleep(1.1)  # one that ends sooner than after a second is not tried again
            (pid,) = self.admin_process(server)
            os.kill(pid, signal.SIGKILL)
            until(lambda: 'started again' in server.said(), 'the next admin process')
            self.assertEqual(server.ask('/healthz')[0], 200)

    def test_an_upgrade_keeps_the_address(self):
        if echod.WRAPPER:
            self.skipTest('the new program would run without the wrapper')
        server = Admin()
        server.process.send_signal(signal.SIGUSR2)
        match = until(lambda: re.search(r'pid (\d+) serves now', server.said()), 'the successor')
        try:
            self.assertEqual(server.process.wait(echod.PATIENCE), 0)
            self.assertIn(match[1], [str(worker['pid']) for worker in server.status()['workers']]
                          if MODE in ('green', 'thread') else [match[1]])
            self.assertEqual(server.ask('/readyz')[0], 200)
        finally:
            os.kill(int(match[1]), signal.SIGTERM)


class Addresses(unittest.TestCase):
    def refused(self, *options):
        run = subprocess.run([*echod.WRAPPER, PROGRAM, '--port=0', *options], capture_output=True,
                             text=True, timeout=60)
        self.assertEqual(run.stderr.count('\n'), 1, run.stderr)
        return run.returncode, run.stderr

    def test_what_others_can_reach_is_refused(self):
        code, said = self.refused('--admin=0.0.0.0:0')
        self.assertEqual(code, 2)
        self.assertIn('--admin-insecure', said)
        with echod.Echod(PROGRAM, MODE, '--admin-insecure', '--admin=0.0.0.0:0') as server:
            until(lambda: 'admin on http://0.0.0.0:' in server.said(), 'admin')

    def test_nonsense(self):
        for value in ('here', '127.0.0.1', '127.0.0.1:', '127.0.0.1:http', '127.0.0.1:70000', ':80'):
            code, said = self.refused('--admin=' + value)
            self.assertEqual(code, 2, value)
            self.assertIn('127.0.0.1:9000', said)

    def test_busy(self):
        with socket.create_server(('127.0.0.1', 0)) as busy:
            code, said = self.refused('--admin=127.0.0.1:%d' % busy.getsockname()[1])
            self.assertEqual(code, 1)
            self.assertIn('--admin 127.0.0.1', said)

    def test_unix(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, 'admin')
            with echod.Echod(PROGRAM, MODE, '--admin=unix:' + path):
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.connect(path)
                    connection.sendall(b'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
                    answer = b''
                    while data := connection.recv(4096):
                        answer += data
                    self.assertIn(b'200 OK', answer)
            self.assertFalse(os.path.exists(path))


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], warnings='ignore')
