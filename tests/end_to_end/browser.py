"""Headless Chromium over its debugging pipe: messages are JSON, ended by a zero byte."""
import base64
import json
import os
import queue
import shutil
import subprocess
import threading

CHROMIUM = shutil.which("chromium")


class Browser:
    """One page, of the size of a phone or another."""

    def __init__(self, profile, width=1280, height=900, scheme="light"):
        to_browser, orders = os.pipe()
        answers, from_browser = os.pipe()
        # Root's containers have no user namespaces for its sandbox; it sees our own server alone.
        command = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
        self.process = subprocess.Popen(
            ["bash", "-c", command, CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"],
            pass_fds=[to_browser, from_browser], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.orders, self.session, self.number = os.fdopen(orders, "wb"), None, 0
        self.replies, self.asked, self.mistakes = queue.Queue(), [], []
        self.reader = threading.Thread(target=self.read, args=[os.fdopen(answers, "rb")], daemon=True)
        self.reader.start()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Network"]:
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def read(self, answers):
        rest = b""
        while piece := answers.read1(65536):
            *whole, rest = (rest + piece).split(b"\0")
            for message in map(json.loads, whole):
                if "id" in message:
                    self.replies.put(message)
                elif message["method"] == "Network.requestWillBeSent":
                    self.asked.append(message["params"]["request"]["url"])
                elif message["method"] == "Runtime.exceptionThrown":
                    self.mistakes.append(message["params"]["exceptionDetails"])
        self.replies.put({"error": "the browser ended"})

    def call(self, method, **fields):
        self.number += 1
        message = {"id": self.number, "method": method, "params": fields} | ({"sessionId": self.session} if self.session else {})
        self.orders.write(json.dumps(message).encode() + b"\0")
        self.orders.flush()
        reply = self.replies.get(timeout=60)
        assert "result" in reply, (method, reply)
        return reply["result"]

    def go_to(self, url):
        self.call("Page.navigate", url=url)

    def look(self, expression):
        """The value of JavaScript's expression on the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def await_true(self, expression):
        while not self.look(expression):
            assert not self.mistakes, self.mistakes

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]))

    def close(self):
        self.session = None
        self.call("Browser.close")
        self.process.wait(30)
        self.reader.join(10)
