"""The live page of echod in a real browser: it draws, follows, and lives on when echod does not.

admin_page.py ECHOD CLIENT_TESTS
"""
import os
import re
import signal
import sys
import time
import unittest

import echod

PROGRAM = sys.argv[1]
sys.path.insert(0, sys.argv[2])
import browser  # the same driver that looks at the client's reports

LOOK = """
const boxes = [...document.querySelectorAll('svg text')].map(text => [text, text.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0);
const clashes = [];
for (let i = 0; i < boxes.length; i++) {
  for (let j = 0; j < i; j++) {
    const [a, b] = [boxes[i][1], boxes[j][1]];
    if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom) {
      clashes.push(boxes[i][0].textContent + ' / ' + boxes[j][0].textContent);
    }
  }
}
const wide = [...document.querySelectorAll('.card, h1, h2, dd, li, figcaption, button')]
    .filter(item => item.getBoundingClientRect().right > innerWidth + 1 && !item.closest('.scroll'));
return [document.documentElement.scrollWidth, innerWidth, clashes, wide.length];
"""


def start(port, *options, mode='green2'):
    server = echod.Echod(PROGRAM, mode, f'--admin=127.0.0.1:{port}', *options)
    end = time.monotonic() + echod.PATIENCE
    while time.monotonic() < end:
        match = re.search(r'admin on http://127\.0\.0\.1:(\d+)/', server.said())
        if match:
            return server, int(match[1])
        time.sleep(0.01)
    raise AssertionError('no admin pages; it said: ' + server.said())


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = browser.Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def open(self, port, width=1440, scheme='light'):
        self.browser.devtools('Emulation.setDeviceMetricsOverride', width=width, height=900,
                              deviceScaleFactor=1, mobile=False)
        self.browser.devtools('Emulation.setEmulatedMedia', media='screen',
                              features=[{'name': 'prefers-color-scheme', 'value': scheme}])
        self.browser.call('POST', self.browser.session + '/url',
                          {'url': f'http://127.0.0.1:{port}/'})

    def until(self, script, what):
        """Wait until a script says so; how many seconds it took."""
        began = time.monotonic()
        while time.monotonic() < began + echod.PATIENCE:
            if self.browser.run('return ' + script):
                return time.monotonic() - began
            time.sleep(0.05)
        text = self.browser.run('return document.body.innerText')
        raise AssertionError(f'waited in vain for {what}; the page says:\n{text}')

    def press(self, key, code, text=''):
        for kind in ('keyDown', 'keyUp'):
            self.browser.devtools('Input.dispatchKeyEvent', type=kind, key=key, code=key,
                                  text=text if kind == 'keyDown' else '',
                                  windowsVirtualKeyCode=code)

    def test_it_draws_and_follows(self):
        server, port = start(0)
        with server:
            self.open(port)
            self.until("document.querySelector('#state').textContent === 'serving'", 'serving')
            self.until("document.querySelector('path').dataset.points >= 3", 'three samples')
            connections = [server.connect() for _ in range(7)]
            for connection in connections:
                connection.sendall(b'hello')
                self.assertEqual(connection.recv(5), b'HELLO')
            self.until("document.querySelector('#tile-connections').textContent === '7'", 'seven')
            self.until("[...document.querySelectorAll('path')].every(p => /^M[0-9]/.test("
                       "p.getAttribute('d')))", 'all lines')
            self.assertEqual(self.browser.run(
                "return document.querySelectorAll('#workers tbody tr').length"), 2)
            self.assertIn('127.0.0.1:%d' % server.address[1], self.browser.run(
                "return document.querySelector('#listeners').textContent"))
            self.assertTrue(self.browser.run("return document.querySelector('#actions').hidden"))
            for connection in connections:
                connection.close()

    def test_a_killed_worker_is_shown(self):
        for mode, workers in (('green2', 2), ('prefork', 8)):
            server, port = start(0, mode=mode)
            with server:
                self.open(port)
                self.until(f"document.querySelectorAll('#workers tbody tr').length === {workers}",
                           'workers')
                pid = self.browser.run(
                    "return document.querySelector('#workers tbody td').textContent")
                shown = ("document.querySelector('#news').textContent.includes('process "
                         f"{pid} has ended')")
                # A sample comes each second. How many there were when the news was:
                self.browser.run(f"""
                    new MutationObserver(() => {{
                      if (window.seen === undefined && {shown}) {{
                        window.seen = Number(document.querySelector('path').dataset.points);
                      }}
                    }}).observe(document.querySelector('#news'), {{childList: true}})""")
                os.kill(int(pid), signal.SIGKILL)
                before = self.browser.run(
                    "return Number(document.querySelector('path').dataset.points)")
                took = self.until(shown, 'the news')
                seen = self.browser.run('return window.seen')
                print(f'{mode}: a killed worker was shown after {took:.2f} s, '
                      f'{seen - before} samples later')
                self.assertLessEqual(seen, before + 2)

    def test_it_survives_a_restart(self):
        server, port = start(0)
        with server:
            self.open(port)
            self.until("document.querySelector('#state').textContent === 'serving'", 'serving')
        self.until("document.querySelector('#state').textContent === 'not reachable'", 'the end')
        server, _ = start(port)
        with server:
            self.until("document.querySelector('#state').textContent === 'serving'", 'the next one')
            self.until("document.querySelector('#news').textContent.includes('serves')", 'the news')

    def test_the_service_from_the_page(self):
        for mode in echod.MODES:
            server, port = start(0, mode=mode)
            with server:
                self.open(port)
                self.browser.run("fetch('/upper', {method: 'POST', body: 'stra\u00dfe'})"
                                 ".then(answer => answer.text()).then(text => window.reply = text)")
                self.until("window.reply !== undefined", 'the reply')
                self.assertEqual(self.browser.run('return window.reply'), 'STRASSE')

    def test_nothing_overlaps_at_any_width(self):
        server, port = start(0, '--admin-actions')
        with server:
            for width in (360, 800, 1440):
                for scheme in ('light', 'dark'):
                    self.open(port, width, scheme)
                    self.until("document.querySelector('path').dataset.points >= 2", 'samples')
                    page, window, clashes, wide = self.browser.run(LOOK)
                    self.assertLessEqual(page, window, (width, scheme))
                    self.assertEqual((clashes, wide), ([], 0), (width, scheme))

    def test_actions_by_keyboard(self):
        server, port = start(0, '--admin-actions')
        self.open(port)
        self.until("!document.querySelector('#actions').hidden", 'actions')
        self.browser.run("document.querySelector('#level').focus()")
        self.press('ArrowDown', 40)
        self.browser.run("setInterval(() => fetch('/status').then(answer => answer.json())"
                         ".then(status => window.level = status.log_level), 100)")
        self.until("window.level === 'warning'", 'the next level')
        self.browser.run("window.confirm = () => true; document.querySelector('#drain').focus()")
        self.press('Enter', 13, '\r')
        self.assertEqual(server.process.wait(echod.PATIENCE), 0)
        self.until("document.querySelector('#state').textContent === 'not reachable'", 'the end')

    def test_names_for_readers(self):
        server, port = start(0, '--admin-actions')
        with server:
            self.open(port)
            self.until("document.querySelector('path').dataset.points >= 1", 'a sample')
            nameless = self.browser.run("""
                const named = item => (item.getAttribute('aria-labelledby') || '').split(' ')
                    .some(id => id && document.getElementById(id).textContent.trim()) ||
                    item.labels && item.labels.length > 0 || item.textContent.trim();
                return [...document.querySelectorAll('svg, section, select, button')]
                    .filter(item => !named(item)).length""")
            self.assertEqual(nameless, 0)
            self.assertEqual(self.browser.run('return document.documentElement.lang'), 'en')


if __name__ == '__main__':
    if browser.missing() is not None:
        echod.skip(f'there is no {browser.missing()}')
    unittest.main(argv=sys.argv[:1], warnings='ignore')
