"""A browser without a screen, driven through ChromeDriver by what Python has on board."""
import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request

# None of them asks the network for anything on its own.
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--hide-scrollbars"]
LIMIT_S = 120


def missing():
    """What is not there that a browser takes, or None."""
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            return program
    return None


class Browser:
    """One page at a time, of a width, a height and a colour scheme."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        # Its directory is its own, so that nothing of it is left anywhere else.
        environment = dict(os.environ, HOME=self.directory.name, TMPDIR=self.directory.name)
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                       env=environment)
        try:
            self.url = "http://127.0.0.1:" + self.read_port()
            answer = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome",
                "goog:chromeOptions": {
                    "binary": shutil.which("chromium"),
                    "args": FLAGS + ["--user-data-dir=" + os.path.join(self.directory.name, "user")],
                }}}})
            self.session = "/session/" + answer["sessionId"]
        except BaseException:
            self.stop_driver()
            raise

    def read_port(self):
        for line in self.driver.stdout:
            match = re.search(r"started successfully on port (\d+)", line)
            if match:
                return match[1]
        raise RuntimeError("chromedriver did not start")

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method,
                                         headers={"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=LIMIT_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error

    def devtools(self, command, **parameters):
        return self.call("POST", self.session + "/goog/cdp/execute",
                         {"cmd": command, "params": parameters})

    def show(self, path, width, height=900, scheme="light", media="screen"):
        """Open a file; what it looks like from then on is of that width and scheme."""
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=1, mobile=False)
        self.devtools("Emulation.setEmulatedMedia", media=media,
                      features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("POST", self.session + "/url", {"url": "file://" + os.path.abspath(path)})

    def run(self, script, *arguments):
        """Run a function's body in the page; what it returns."""
        return self.call("POST", self.session + "/execute/sync",
                         {"script": script, "args": list(arguments)})

    def picture(self, path, height=None):
        """The page as a PNG: all of it, or what is above a height."""
        data = self.devtools("Page.captureScreenshot", format="png",
                             captureBeyondViewport=height is None)
        with open(path, "wb") as file:
            file.write(base64.b64decode(data["data"]))

    def paper(self, path):
        """The page as it prints, as a PDF."""
        data = self.devtools("Page.printToPDF", printBackground=False, preferCSSPageSize=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(data["data"]))

    def stop_driver(self):
        self.driver.terminate()
        self.driver.communicate(timeout=LIMIT_S)
        self.directory.cleanup()

    def close(self):
        try:
            self.call("DELETE", self.session)
        finally:
            self.stop_driver()
