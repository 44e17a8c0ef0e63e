#!/usr/bin/env python3
"""The report in a browser: every chart has drawn its figures, nothing overlaps or overflows.

    test_pages.py MADE_UP_PAGE

The pages are of comparisons that nobody has measured, from which a JSON file is written as well:
what is drawn is read back from the places of lines and ticks, and compared with that file.
"""
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest

from browser import Browser, missing

WIDTHS = (360, 800, 1440)
PAGES = ("run", "modes", "sweep", "many", "empty")
DRAWN = PAGES[:-1]

# Texts and their boxes as they are on the screen, of each chart that is shown.
TEXTS = """
return [...document.querySelectorAll('svg.chart')].filter(svg => svg.getBoundingClientRect().width)
  .map(svg => {
    const frame = svg.getBoundingClientRect();
    return {id: svg.closest('figure').id, frame: [frame.left, frame.top, frame.right, frame.bottom],
      texts: [...svg.querySelectorAll('text')].map(text => {
        const box = text.getBoundingClientRect();
        return [text.textContent, box.left, box.top, box.right, box.bottom];
      })};
  });
"""

# What is wider than its place. What scrolls by itself may be.
OVERFLOW = """
const wide = [];
const limit = document.documentElement.clientWidth;
for (const element of document.querySelectorAll('body *')) {
  if (element.closest('.scroll') && !element.classList.contains('scroll')) continue;
  if (element.closest('details:not([open])') && element.tagName != 'SUMMARY') continue;
  const box = element.getBoundingClientRect();
  if (box.width && (box.right > limit + 0.5 || box.left < -0.5))
    wide.push(element.tagName + '.' + element.getAttribute('class') + ' ' + element.textContent.slice(0, 40));
}
for (const element of document.querySelectorAll('h1,h2,h3,p,dt,dd,li,summary,figcaption,.tiles div'))
  if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display != 'inline')
    wide.push('text ' + element.tagName + ' ' + element.textContent.slice(0, 40));
return wide;
"""

# Boxes of the page's parts, of which none may lie on another.
BLOCKS = """
return [...document.querySelectorAll('h1,h2,h3,header>p,figcaption p,svg.chart,.legend,summary,' +
  '.tiles dt,.tiles dd,.facts dt,.facts dd,.commands code,footer')]
  .map(element => [element, element.getBoundingClientRect()]).filter(pair => pair[1].width)
  .map(([element, box]) => [element.tagName + ' ' + element.textContent.slice(0, 30),
    box.left, box.top, box.right, box.bottom]);
"""

# Of each chart of lines that is shown: its ticks with their places, and the points of its lines.
LINES = """
return [...document.querySelectorAll('svg.chart')]
  .filter(svg => svg.getBoundingClientRect().width && svg.querySelector('.ytick'))
  .map(svg => ({id: svg.closest('figure').id,
    x: [...svg.querySelectorAll('.xtick')].map(tick =>
      [+tick.dataset.value, +tick.querySelector('text').getAttribute('x')]),
    y: [...svg.querySelectorAll('.ytick')].map(tick =>
      [+tick.dataset.value, +tick.querySelector('text').getAttribute('y') - 4]),
    series: [...svg.querySelectorAll('.series')].map(series => ({name: series.dataset.name,
      points: [...series.querySelectorAll('polyline')].flatMap(line =>
        [...line.points].map(point => [point.x, point.y]))}))}));
"""

BARS = """
return [...document.querySelectorAll('svg.chart')]
  .filter(svg => svg.getBoundingClientRect().width && svg.querySelector('.bar'))
  .map(svg => ({id: svg.closest('figure').id,
    bars: [...svg.querySelectorAll('.series')].map(bar => ({name: bar.dataset.name,
      length: +bar.querySelector('.bar').getAttribute('width'),
      left: +bar.querySelector('.bar').getAttribute('x'),
      dots: [...bar.querySelectorAll('.sample')].map(dot => +dot.getAttribute('cx'))}))}));
"""

# The contrast of every text with what is behind it.
CONTRAST = """
const parse = color => (color.match(/[0-9.]+/g) || []).map(Number);
const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255)
  .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ground = element => {
  for (; element; element = element.parentElement) {
    const color = parse(getComputedStyle(element).backgroundColor);
    if (color.length == 3 || color[3] == 1) return color;
  }
  return [255, 255, 255];
};
const contrast = (a, b) => {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || /^(title|desc|style)$/i.test(element.tagName)) continue;
  const style = getComputedStyle(element);
  const color = parse(element.namespaceURI.endsWith('svg') ? style.fill : style.color);
  found.push([element.tagName + ' ' + walker.currentNode.textContent.slice(0, 30),
    contrast(color, ground(element)), 4.5]);
}
for (const shape of document.querySelectorAll('.series polyline, .mark, .bar')) {
  const style = getComputedStyle(shape);
  const color = parse(shape.tagName == 'polyline' ? style.stroke : style.fill);
  found.push([shape.tagName + ' ' + shape.closest('.series').getAttribute('class'),
    contrast(color, ground(shape)), 3]);
}
return found;
"""

# What a screen reader lives on.
MEANING = """
const svgs = [...document.querySelectorAll('svg.chart')];
return {
  language: document.documentElement.lang,
  title: document.title,
  levels: [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1]),
  unnamed: svgs.filter(svg => svg.getAttribute('role') != 'img' || !svg.getAttribute('aria-labelledby')
    .split(' ').every(id => document.getElementById(id)?.textContent.trim())).length,
  bare: [...document.querySelectorAll('figure')].filter(f => !f.querySelector('table')).length,
  headless: [...document.querySelectorAll('table')].filter(t => !t.caption ||
    [...t.querySelectorAll('th')].some(th => !th.scope)).length,
  twice: (ids => ids.length - new Set(ids).size)([...document.querySelectorAll('[id]')].map(e => e.id)),
  links: document.querySelectorAll('[src],link,script,[href]').length,
};
"""


def overlapping(boxes):
    """Pairs of boxes that share more than the edge."""
    found = []
    for i, (name, left, top, right, bottom) in enumerate(boxes):
        for other, left2, top2, right2, bottom2 in boxes[i + 1:]:
            if min(right, right2) - max(left, left2) > 1 and min(bottom, bottom2) - max(top, top2) > 1:
                found.append((name, other))
    return found


def overlapping_texts(texts):
    """The same for lines of text, whose boxes have air above and below."""
    return overlapping([(name, left, top + (bottom - top) * 0.15, right, bottom - (bottom - top) * 0.15)
                        for name, left, top, right, bottom in texts])


def reader(ticks, transform, inverse):
    """From places to values, by what the first and the last tick say."""
    (low, start), (high, end) = ticks[0], ticks[-1]
    low, high = transform(low), transform(high)
    for value, place in ticks:
        expected = start + (transform(value) - low) / (high - low) * (end - start)
        assert abs(expected - place) < 0.2, f"tick {value} stands at {place}, not at {expected}"
    return lambda place: inverse(low + (place - start) / (end - start) * (high - low))


def identity(value):
    return value


def scale_of(ticks, percentile=False):
    """Ticks that grow by steps are on a linear axis, by factors on a logarithmic one."""
    if percentile:
        return reader(ticks, lambda p: -math.log10(1 - p / 100), lambda n: 100 * (1 - 10 ** -n))
    values = [value for value, _ in ticks]
    places = [place for _, place in ticks]
    steps = [(b - a) / (q - p) for a, b, p, q in zip(values, values[1:], places, places[1:])]
    if len(ticks) < 3 and values[0] > 0 or max(map(abs, steps)) > 1.2 * min(map(abs, steps)):
        return reader(ticks, math.log10, lambda n: 10 ** n)
    return reader(ticks, identity, identity)


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        cls.words, cls.data = {}, {}
        for page in PAGES:
            html, data = cls.path(page + ".html"), cls.path(page + ".json")
            cls.words[page] = subprocess.run([PROGRAM, page, html, data], check=True, timeout=120,
                                             stdout=subprocess.PIPE, text=True).stdout.strip()
            with open(data, encoding="utf-8") as file:
                cls.data[page] = json.load(file)
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    @classmethod
    def path(cls, name):
        return os.path.join(cls.directory.name, name)

    def each(self, check, pages=PAGES):
        """Every page at every width."""
        for page in pages:
            for width in WIDTHS:
                with self.subTest(page=page, width=width):
                    self.browser.show(self.path(page + ".html"), width)
                    check(page)

    def test_nothing_overflows(self):
        def check(_):
            self.assertEqual(self.browser.run(OVERFLOW), [])
        self.each(check)

    def test_nothing_overlaps(self):
        def check(_):
            self.assertEqual(overlapping(self.browser.run(BLOCKS)), [])
            for chart in self.browser.run(TEXTS):
                self.assertEqual(overlapping_texts(chart["texts"]), [], chart["id"])
        self.each(check)

    def test_texts_stay_in_their_chart(self):
        def check(_):
            for chart in self.browser.run(TEXTS):
                left, top, right, bottom = chart["frame"]
                for text in chart["texts"]:
                    inside = (left - 1 <= text[1] and top - 1 <= text[2] and text[3] <= right + 1
                              and text[4] <= bottom + 1)
                    self.assertTrue(inside, (chart["id"], text, chart["frame"]))
        self.each(check)

    def test_each_chart_is_there_once(self):
        expected = {
            "run": {"latency", "rate", "tail", "beginnings"},
            "modes": {"throughput", "cpu", "memory", "latency", "rate"},
            "sweep": {"throughput", "cpu", "memory", "sweep", "sweeptail", "latency", "rate"},
            "many": {"throughput", "cpu", "memory", "latency", "rate"},
            "empty": set(),
        }
        def check(page):
            shown = [chart["id"] for chart in self.browser.run(TEXTS)]
            self.assertEqual(sorted(shown), sorted(expected[page]))
        self.each(check)

    # ---- the figures ----

    def used(self, page, server, connections=None):
        """The results that count."""
        rounds = [r for r in self.data[page]["rounds"] if r["server"] == server and r["used"]]
        if connections is None:
            connections = max(r["connections"] for r in rounds)
        return [r["result"] for r in rounds if r["connections"] == connections]

    def servers(self, page):
        return [server["name"] for server in self.data[page]["servers"]]

    def close(self, found, expected, room, what):
        self.assertLessEqual(abs(found - expected), room * abs(expected), (what, found, expected))

    def lines(self, page, name):
        chart = next(c for c in self.browser.run(LINES) if c["id"] == name)
        read_x = scale_of(chart["x"], name in ("latency", "beginnings"))
        read_y = scale_of(chart["y"])
        drawn = {s["name"]: [(read_x(x), read_y(y)) for x, y in s["points"]] for s in chart["series"]}
        self.assertEqual(set(drawn), set(self.servers(page)))
        return drawn

    def test_percentile_curves(self):
        def check(page):
            for server, points in self.lines(page, "latency").items():
                result = self.used(page, server)[0]["latency_us"]
                for key, percentile in (("p50", 50), ("p90", 90), ("p99", 99), ("p999", 99.9)):
                    nearest = min(points, key=lambda p: abs(math.log(100 - p[0])
                                                            - math.log(100 - percentile)))
                    self.close(nearest[1], result[key], 0.05, (server, key))
        self.each(check, DRAWN)

    def test_throughput_over_time(self):
        def check(page):
            for server, points in self.lines(page, "rate").items():
                most = max(s["answered"] for name in self.servers(page)
                           for s in self.used(page, name)[0]["series"])
                typical = [[s["answered"] for s in result["series"]]
                           for result in self.used(page, server)]
                found = [y for _, y in points]
                self.assertTrue(any(all(abs(a - b) < 0.01 * most for a, b in zip(found, series))
                                    and len(found) == len(series) for series in typical),
                                (server, found, typical))
        self.each(check, DRAWN)

    def test_throughput_against_connections(self):
        summary = {(s["server"], s["connections"]): s for s in self.data["sweep"]["summary"]}
        def check(page):
            for name, key in (("sweep", "messages_per_second"), ("sweeptail", "p99_us")):
                most = max(s[key] for s in summary.values())
                for server, points in self.lines(page, name).items():
                    self.assertEqual(len(points), 4)
                    for (x, y), connections in zip(points, (1, 64, 1000, 10000)):
                        self.close(x, connections, 0.03, server)
                        expected = summary[server, connections][key]
                        self.assertLess(abs(y - expected), 0.01 * most, (name, server, connections))
        self.each(check, ("sweep",))

    def test_bars(self):
        keys = {"throughput": "messages_per_second", "cpu": "cpu_us_per_message",
                "memory": "bytes_per_connection"}
        def check(page):
            connections = max([s["connections"] for s in self.data[page]["summary"]], default=0)
            summary = {s["server"]: s for s in self.data[page]["summary"]
                       if s["connections"] == connections}
            for chart in self.browser.run(BARS):
                self.assertEqual([bar["name"] for bar in chart["bars"]], self.servers(page))
                key = keys[chart["id"]]
                longest = max(chart["bars"], key=lambda bar: bar["length"])
                scale = longest["length"] / summary[longest["name"]][key]
                for bar in chart["bars"]:
                    value = summary[bar["name"]][key] or 0
                    self.assertLess(abs(bar["length"] - value * scale), 0.3, (chart["id"], bar))
                if chart["id"] == "throughput":
                    for bar in chart["bars"]:
                        rates = [r["messages_per_second"] for r in self.used(page, bar["name"])]
                        dots = [(dot - bar["left"]) / scale for dot in bar["dots"]]
                        self.assertEqual(len(dots), len(rates))
                        for dot, rate in zip(dots, rates):
                            self.assertLess(abs(dot - rate) * scale, 0.3)
        self.each(check)

    # ---- who reads it ----

    def test_contrast(self):
        for scheme in ("light", "dark"):
            grounds = set()
            for page in ("modes", "many", "run"):
                with self.subTest(page=page, scheme=scheme):
                    self.browser.show(self.path(page + ".html"), 1440, scheme=scheme)
                    poor = [found for found in self.browser.run(CONTRAST) if found[1] < found[2]]
                    self.assertEqual(poor, [])
                    grounds.add(self.browser.run(
                        "return getComputedStyle(document.body).backgroundColor"))
            self.assertEqual(grounds, {"rgb(246, 246, 243)" if scheme == "light"
                                       else "rgb(17, 20, 24)"})

    def test_meaning(self):
        for page in PAGES:
            with self.subTest(page=page):
                self.browser.show(self.path(page + ".html"), 1440)
                meaning = self.browser.run(MEANING)
                self.assertEqual(meaning["language"], "en")
                self.assertTrue(meaning["title"])
                self.assertEqual(meaning["levels"][0], 1)
                self.assertEqual(meaning["levels"].count(1), 1)
                for before, after in zip(meaning["levels"], meaning["levels"][1:]):
                    self.assertLessEqual(after, before + 1)
                for fault in ("unnamed", "bare", "headless", "twice", "links"):
                    self.assertEqual(meaning[fault], 0, fault)

    def test_names_are_text(self):
        self.browser.show(self.path("many.html"), 1440)
        self.assertIn('<b>&"quoted"</b>', self.browser.run("return document.body.innerText"))
        self.assertEqual(self.browser.run("return document.querySelectorAll('b').length"), 0)

    def test_words(self):
        for page in ("modes", "sweep", "many"):
            self.browser.show(self.path(page + ".html"), 1440)
            self.assertEqual(self.browser.run("return document.querySelector('.lead').textContent"),
                             self.words[page])

    def test_print(self):
        for page in PAGES:
            self.browser.show(self.path(page + ".html"), 700, scheme="dark", media="print")
            self.assertEqual(self.browser.run(OVERFLOW), [])
            self.assertEqual(
                self.browser.run("return getComputedStyle(document.body).backgroundColor"),
                "rgb(255, 255, 255)")
            self.assertEqual(self.browser.run("""
                return [...document.querySelectorAll('details table')]
                    .filter(table => !table.getBoundingClientRect().height).length"""), 0)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    if missing():
        print(f"skipped: {missing()} is not installed")
        sys.exit(77)
    unittest.main()
