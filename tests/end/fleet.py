"""A fleet: echod on three hosts behind HAProxy or nginx, loaded from two more, each host a network
namespace with an address of its own.

fleet.py ECHOD ECHOC haproxy|nginx

While both clients load it, every echod is upgraded and, behind HAProxy, restarted one by one, and
nobody notices. Then a host vanishes: its link goes down, and the others take over. The load of
both clients is added up by echoc merge. Prints the figures.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PROGRAM, ECHOC, BALANCER = sys.argv[1:4]
PATIENCE = 60
CONFIGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'docs', 'deploy')
PREFIX = f'gf{os.getpid()}'
HOSTS = {f'h{i}': f'10.77.0.1{i}' for i in (1, 2, 3)}
CLIENTS = {f'c{i}': f'10.77.0.2{i}' for i in (1, 2)}
FRONT = '10.77.0.1'



def skip(reason):
    print('SKIP:', reason)
    sys.exit(77)


def ip(*words, check=True):
    return subprocess.run(['ip', *words], check=check, stderr=subprocess.PIPE, text=True)


def until(condition, what, said=None):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    raise SystemExit(f'waited in vain: {what}\n{said() if said else ""}')


# ---- hosts ----

def make_network(stack):
    """A bridge in the balancer's namespace, and a namespace for every other host."""
    def add(name):
        ip('netns', 'add', f'{PREFIX}{name}')
        stack.callback(ip, 'netns', 'del', f'{PREFIX}{name}', check=False)
        ip('-n', f'{PREFIX}{name}', 'link', 'set', 'lo', 'up')

    add('lb')
    bridge = ['-n', f'{PREFIX}lb']
    ip(*bridge, 'link', 'add', 'br0', 'type', 'bridge')
    ip(*bridge, 'addr', 'add', f'{FRONT}/24', 'dev', 'br0')
    ip(*bridge, 'link', 'set', 'br0', 'up')
    for name, address in (HOSTS | CLIENTS).items():
        add(name)
        ip(*bridge, 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns',
           f'{PREFIX}{name}')
        ip(*bridge, 'link', 'set', name, 'master', 'br0', 'up')
        ip('-n', f'{PREFIX}{name}', 'addr', 'add', f'{address}/24', 'dev', 'eth0')
        ip('-n', f'{PREFIX}{name}', 'link', 'set', 'eth0', 'up')


class Process:
    """A program in a namespace; killed in the end, whatever comes."""

    def __init__(self, stack, host, *command, **options):
        self.popen = subprocess.Popen(['ip', 'netns', 'exec', f'{PREFIX}{host}', *command],
                                      stdin=subprocess.DEVNULL, **options)
        stack.callback(self.kill)

    def kill(self):
        self.popen.kill()
        self.popen.wait()


class Host:
    """A host with an echod, which may be another process after an upgrade."""

    def __init__(self, stack, name, home):
        self.stack, self.name, self.address = stack, name, HOSTS[name]
        self.log = open(os.path.join(home, f'{name}.log'), 'a+b')
        self.pidfile = os.path.join(home, f'{name}.pid')
        self.access = os.path.join(home, f'{name}.access')
        self.starts = 0
        stack.callback(self.end_all)
        self.start()

    def start(self):
        self.process = Process(
            self.stack, self.name, PROGRAM, '--workers=2', '--host', self.address,
            '--admin', f'{self.address}:9000', '--admin-insecure', '--proxy-protocol',
            '--trusted', f'{FRONT}/32', '--drain-delay=500ms', '--drain-timeout=4s',
            '--pidfile', self.pidfile, '--access-log', self.access, stderr=self.log)
        self.starts += 1
        until(lambda: self.said().count('admin on') == self.starts, 'a start', self.said)

    def said(self):
        size = os.fstat(self.log.fileno()).st_size
        return os.pread(self.log.fileno(), size, 0).decode()

    def pid(self):
        with open(self.pidfile, encoding='ascii') as file:
            return int(file.read())

    def end_all(self):
        """What took over is no child of ours."""
        with contextlib.suppress(OSError, ValueError):
            os.kill(self.pid(), signal.SIGKILL)

    def upgrade(self):
        before = self.pid()
        count = self.said().count('serves now')
        os.kill(before, signal.SIGUSR2)
        until(lambda: self.said().count('serves now') > count, 'an upgrade', self.said)
        self.starts += 1
        until(lambda: not os.path.exists(f'/proc/{before}/exe') or is_zombie(before), 'its end',
              self.said)

    def restart(self):
        pid = self.pid()
        os.kill(pid, signal.SIGTERM)
        until(lambda: not os.path.exists(f'/proc/{pid}/exe') or is_zombie(pid), 'a drain', self.said)
        self.start()


def is_zombie(pid):
    with contextlib.suppress(OSError), open(f'/proc/{pid}/stat', encoding='ascii') as file:
        return file.read().rpartition(')')[2].split()[0] == 'Z'
    return True


def start_balancer(stack, home):
    if BALANCER == 'haproxy':
        command = ['haproxy', '-db', '-f', os.path.join(CONFIGS, 'haproxy.cfg')]
    else:
        command = ['nginx', '-p', home, '-c', os.path.join(CONFIGS, 'nginx.conf'), '-g',
                   f'load_module {MODULES}/ngx_stream_module.so; daemon off; master_process off; '
                   f'pid {home}/nginx.pid; error_log {home}/nginx.log;']
    log = open(os.path.join(home, 'balancer.log'), 'a+b')
    stack.callback(log.close)
    Process(stack, 'lb', *command, stdout=log, stderr=log)
    until(lambda: subprocess.run(
        ['ip', 'netns', 'exec', f'{PREFIX}c1', ECHOC, '-e', 'a', FRONT, '8888'],
        capture_output=True, check=False).stdout == b'A', 'the balancer')


def balancer_said(home):
    text = ''
    for name in ('balancer.log', 'nginx.log'):
        with contextlib.suppress(FileNotFoundError), \
                open(os.path.join(home, name), encoding='utf-8') as file:
            text += file.read()
    return text


# ---- load ----

class Load:
    """echoc bench from both clients."""

    def __init__(self, stack, home, seconds, churn, *options):
        self.files = [os.path.join(home, name) for name in CLIENTS]
        self.runs = [Process(stack, name, ECHOC, 'bench', '-c', '8', '-r', '400',
                             f'--churn={churn}', '-d', f'{seconds}s', '--warmup', '100ms',
                             '--quiet', '--json', f'{file}.json', '--hdr', f'{file}.hdr', *options,
                             FRONT, '8888', stderr=subprocess.PIPE)
                     for name, file in zip(CLIENTS, self.files)]

    def stop(self):
        """End it; it has to be at it still. What it has measured so far it says."""
        for run in self.runs:
            if run.popen.poll() is not None:
                raise SystemExit('the load ended before the last host was done')
            run.popen.send_signal(signal.SIGINT)

    def results(self):
        said = [run.popen.communicate(timeout=PATIENCE)[1].decode() for run in self.runs]
        results = []
        for file in self.files:
            with open(f'{file}.json', encoding='ascii') as stream:
                results.append(json.load(stream))
        return results, said


def messages(result):
    return result['latency_us']['count']


def merge(load, results):
    merged = subprocess.run([ECHOC, 'merge', *(f'{file}.hdr' for file in load.files)], check=True,
                            capture_output=True, text=True).stdout
    total = sum(map(messages, results))
    if not re.search(rf'\b{total}\b', merged.replace(',', '')):
        raise SystemExit(f'{total} messages were answered, and merged they are:\n{merged}')
    return merged.strip()


def take_closed(errors):
    """How many connections the other side ended in order; these are errors no more."""
    receive = errors.get('receive', {})
    count = receive.pop('closed', 0)
    if not receive:
        errors.pop('receive', None)
    return count


def roll(stack, home, hosts):
    """Upgrade and restart all hosts under load; nothing may be lost."""
    load = Load(stack, home, 2 * PATIENCE, 20)
    for host in hosts:
        host.upgrade()
    for host in hosts if BALANCER == 'haproxy' else []:
        host.restart()
    load.stop()
    results, said = load.results()
    closed = sum(take_closed(result['errors']) for result in results)
    for result, text in zip(results, said):
        if result['errors'] or result['failure'] or messages(result) == 0:
            raise SystemExit(f'something was lost: {result["errors"]} {text}\n{balancer_said(home)}')
    # On a machine that stands still for a while a drain finds a client silent, and ends it in order.
    drained = 0
    for host in hosts:
        with open(host.access, encoding='utf-8') as file:
            drained += file.read().count(' end=drained ')
    if closed > drained:
        raise SystemExit(f'{closed} were closed, {drained} of them by a drain\n{balancer_said(home)}')
    print('rolling upgrade' + (' and restart' if BALANCER == 'haproxy' else ''),
          f'of 3 hosts under load: nothing lost, {closed} ended by a drain')
    print(merge(load, results))


def check_addresses(hosts):
    """The access logs name the clients, not the balancer."""
    peers = set()
    for host in hosts:
        with open(host.access, encoding='utf-8') as file:
            served = re.findall(r'^\S+ (10\.77\.0\.\d+):\d+ ', file.read(), re.M)
        if not served:
            raise SystemExit(f'{host.name} served nobody')
        peers |= set(served)
    if not set(CLIENTS.values()) <= peers or FRONT in peers:
        raise SystemExit(f'the peers are said to be {sorted(peers)}')
    print('PROXY headers: the access logs name', ', '.join(sorted(peers)))


def vanish(stack, home, host):
    """A host's link goes down under load: what it had is lost, the rest goes on."""
    load = Load(stack, home, 4, 5, '--timeout', '2s')
    time.sleep(1)
    ip('-n', f'{PREFIX}lb', 'link', 'set', host.name, 'down')
    results, _ = load.results()
    errors = sum(sum(phase.values()) if isinstance(phase, dict) else phase
                 for result in results for phase in result['errors'].values())
    answered = sum(map(messages, results))
    print(f'a host vanished: {answered} messages were answered, {errors} connections failed')
    # Sixteen connections at a time, of which those at that host fail; then nobody is sent there.
    if errors > 32 or answered < 1000:
        raise SystemExit(f'{[result["errors"] for result in results]}')
    ip('-n', f'{PREFIX}lb', 'link', 'set', host.name, 'up')


def find_modules():
    for path in ('/usr/lib/nginx/modules', '/usr/lib64/nginx/modules'):
        if os.path.exists(f'{path}/ngx_stream_module.so'):
            return path
    return skip('nginx has no stream module')


if os.geteuid() != 0 or shutil.which('ip') is None:
    skip('network namespaces take root and ip')
if shutil.which(BALANCER) is None:
    skip(f'no {BALANCER}')
MODULES = find_modules() if BALANCER == 'nginx' else None
with contextlib.ExitStack() as stack:
    try:
        make_network(stack)
    except subprocess.CalledProcessError as error:
        stack.close()
        skip(f'no network namespaces here: {error.stderr.strip()}')
    home = stack.enter_context(tempfile.TemporaryDirectory())
    os.chmod(home, 0o755)
    hosts = [Host(stack, name, home) for name in HOSTS]
    start_balancer(stack, home)
    roll(stack, home, hosts)
    check_addresses(hosts)
    vanish(stack, home, hosts[2])
