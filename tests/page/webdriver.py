"""Headless Chromium by the WebDriver protocol (W3C), as far as the tests of the page need it."""

import base64
import http.client
import json
import pathlib
import socket
import subprocess
import tempfile
import time

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's id, fixed by the standard
START_S = 30
ANSWER_S = 60


class Element:
    def __init__(self, browser, number):
        self.browser, self.number = browser, number

    def ask(self, method, what, body=None):
        return self.browser.ask(method, f"/element/{self.number}/{what}", body)

    @property
    def text(self):
        return self.ask("GET", "text")

    @property
    def role(self):
        return self.ask("GET", "computedrole")

    @property
    def label(self):
        """The name that a screen reader says."""
        return self.ask("GET", "computedlabel")

    def attribute(self, name):
        return self.ask("GET", f"attribute/{name}")

    def property(self, name):
        return self.ask("GET", f"property/{name}")

    def click(self):
        self.ask("POST", "click", {})

    def all(self, css):
        found = self.ask("POST", "elements", {"using": "css selector", "value": css})
        return [Element(self.browser, one[ELEMENT]) for one in found]

    def one(self, css):
        found = self.all(css)
        if len(found) != 1:
            raise AssertionError(f"{len(found)} elements for {css}")
        return found[0]


class Browser:
    """One Chromium with a profile of its own; `javascript` off is the user's own setting."""

    def __init__(self, test, javascript=True, width=1280, height=900):
        self.folder = tempfile.TemporaryDirectory(prefix="mutirao-page-", ignore_cleanup_errors=True)
        self.downloads = pathlib.Path(self.folder.name) / "downloads"
        self.downloads.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}", "--log-level=SEVERE"], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.session = ""
        test.addCleanup(self.close)
        # No sandbox: it needs rights that root in a container has not. Nothing but our page is opened.
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 f"--user-data-dir={self.folder.name}/profile", f"--window-size={width},{height}"]
        preferences = {"intl.accept_languages": "en"}
        if not javascript:
            preferences["profile.default_content_setting_values.javascript"] = 2
        self.session = "/session/" + self.start({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": flags, "prefs": preferences}}}})["sessionId"]
        self.developer("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))

    def close(self):
        if self.session:
            self.ask("DELETE", "")
        self.driver.terminate()
        self.driver.wait()
        self.folder.cleanup()

    def start(self, body):
        end = time.monotonic() + START_S
        while True:
            try:
                return self.ask("POST", "/session", body)
            except ConnectionRefusedError:
                if time.monotonic() > end or self.driver.poll() is not None:
                    raise
                time.sleep(0.05)

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        connection.request(method, self.session + path, json.dumps(body) if body is not None else None)
        value = json.loads(connection.getresponse().read())["value"]
        connection.close()
        if isinstance(value, dict) and "error" in value:
            raise AssertionError(f"{method} {path}: {value['error']}: {value['message'].splitlines()[0]}")
        return value

    def developer(self, command, **parameters):
        """A command of Chromium's own protocol, for what WebDriver lacks."""
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def all(self, css):
        return [Element(self, one[ELEMENT]) for one in self.ask("POST", "/elements", {"using": "css selector", "value": css})]

    def one(self, css):
        found = self.all(css)
        if len(found) != 1:
            raise AssertionError(f"{len(found)} elements for {css}")
        return found[0]

    def focused(self):
        return Element(self, self.ask("GET", "/element/active")[ELEMENT])

    def press(self, key):
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": [
            {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]}]})

    def complaints(self):
        """What the console was told since the last call."""
        return [one["message"] for one in self.ask("POST", "/se/log", {"type": "browser"}) if one["level"] in ("SEVERE", "WARNING")]

    def scheme(self, name):
        self.developer("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def width(self, pixels):
        self.developer("Emulation.setDeviceMetricsOverride", width=pixels, height=900, deviceScaleFactor=1, mobile=False)

    def screenshot(self, path):
        shot = self.developer("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))
