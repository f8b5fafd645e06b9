"""A headless Chromium over the DevTools protocol: as much of it as a person's hands and eyes need.

Knows nothing of the page. Nothing here sleeps: the browser says when a page is loaded and when it has painted.
"""

import base64
import itertools
import json
import re
import subprocess
import tempfile

from websockets.sync.client import connect

# A page of tens of thousands of records, on a slow machine that does other things as well.
PATIENCE = 120


class Browser:
    def __init__(self, program):
        self.profile = tempfile.TemporaryDirectory()
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                 "--remote-debugging-port=0", "--hide-scrollbars", f"--user-data-dir={self.profile.name}", "about:blank"]
        self.process = subprocess.Popen([program, *flags], stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.search(r"DevTools listening on (\S+)", line)
            if found:
                break
        else:
            raise SystemExit("the browser ended before it listened")
        # Its later words are nobody's business, and must not fill the pipe.
        import threading
        threading.Thread(target=lambda: [None for _ in self.process.stderr], daemon=True).start()
        self.socket = connect(found[1], max_size=None, open_timeout=PATIENCE)
        self.numbers = itertools.count(1)
        self.session = None
        self.errors = []
        self.events = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.ask(f"{domain}.enable")

    def close(self):
        self.ask("Browser.close")
        self.process.wait(PATIENCE)
        self.profile.cleanup()

    def ask(self, method, **arguments):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": arguments}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            heard = self.hear()
            if heard.get("id") == number:
                if "error" in heard:
                    raise SystemExit(f"{method}: {heard['error']}")
                return heard["result"]

    def hear(self):
        heard = json.loads(self.socket.recv(PATIENCE))
        method, told = heard.get("method"), heard.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(told["exceptionDetails"].get("exception", {}).get("description", str(told)))
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.errors.append(str(told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.errors.append(told["entry"]["text"])
        elif method == "Network.requestWillBeSent" and not told["request"]["url"].startswith(("file:", "data:", "about:")):
            self.errors.append(f"it asks the network for {told['request']['url']}")
        if method:
            self.events.append(method)
        return heard

    def check(self, fact, holds, told=""):
        if not holds:
            raise SystemExit(f"not so: {fact} ({told})")

    def found(self, fact):
        """Says what was seen, where the page has not complained meanwhile."""
        self.check(fact, self.errors == [], self.errors)
        print(fact)

    def open(self, url, width=1360, height=900, dark=False, touch=False):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if touch else 1,
                 mobile=touch)
        self.ask("Emulation.setTouchEmulationEnabled", enabled=touch, maxTouchPoints=2 if touch else 1)
        scheme = "dark" if dark else "light"
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.ask("Page.navigate", url=url)
        while "Page.loadEventFired" not in self.events:
            self.hear()
        self.painted()

    def value(self, expression):
        told = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in told:
            raise SystemExit(f"{expression}: {told['exceptionDetails']}")
        return told["result"].get("value")

    def painted(self):
        """Two frames later whatever was asked for is drawn."""
        self.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def place(self, selector):
        """The middle of an element, in view."""
        self.value(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
        self.painted()
        box = self.value(f"(() => {{ const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect(); "
                         "return [box.left, box.top, box.width, box.height]; })()")
        left, top, width, height = box
        return left + width / 2, top + height / 2

    def move(self, x, y):
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.painted()

    def click(self, selector):
        x, y = self.place(selector)
        for kind in ["mousePressed", "mouseReleased"]:
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.painted()

    def drag(self, x, y, by):
        self.ask("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, button="left", clickCount=1)
        for part in range(1, 6):
            self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x + by * part / 5, y=y, button="left", buttons=1)
        self.ask("Input.dispatchMouseEvent", type="mouseReleased", x=x + by, y=y, button="left", clickCount=1)
        self.painted()

    def wheel(self, x, y, by):
        self.ask("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=by)
        self.painted()

    def pinch(self, x, y, apart_before, apart_after):
        def touch(kind, apart):
            points = [] if apart is None else [{"x": x - apart / 2, "y": y, "id": 0}, {"x": x + apart / 2, "y": y, "id": 1}]
            self.ask("Input.dispatchTouchEvent", type=kind, touchPoints=points)
        touch("touchStart", apart_before)
        for part in range(1, 6):
            touch("touchMove", apart_before + (apart_after - apart_before) * part / 5)
        touch("touchEnd", None)
        self.painted()

    def key(self, key):
        text = {"text": key} if len(key) == 1 else {}
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)
        self.painted()

    def picture(self, path, whole=True):
        told = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as file:
            file.write(base64.b64decode(told["data"]))
