"""nginx with launch/nginx.conf before servers of tests, on a socket of its own in the file system."""
import http.client
import pathlib
import shutil
import socket
import subprocess

PROGRAM = shutil.which("nginx") or "/usr/sbin/nginx"
CONFIG = pathlib.Path(__file__).parent.parent.parent / "launch" / "nginx.conf"
LINE = "        server 127.0.0.1:8000 max_fails=0;\n"


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Nginx:
    def __init__(self, folder, ports):
        self.socket, self.access_log = folder / "nginx.sock", folder / "troupe.log"
        text = CONFIG.read_text()
        for old, new in [(LINE, "".join(LINE.replace("8000", str(port)) for port in ports)),
                         ("/var/log/nginx/", f"{folder}/"),
                         ("listen 127.0.0.1:8080;", f"listen unix:{self.socket};"),
                         ("http {", "http { " + "".join(f"{what}_temp_path {folder}/{what};" for what in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]))]:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (folder / "nginx.conf").write_text(text)
        self.process = subprocess.Popen([PROGRAM, "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr", "-g", f"daemon off; pid {folder}/pid;"])
        while not self.socket.exists():
            assert self.process.poll() is None, "nginx ended; it says why above"

    def connect(self):
        return Connection(self.socket)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
