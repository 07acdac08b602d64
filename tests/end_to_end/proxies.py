"""Proxies with the configurations that stand in launch/, before servers of tests: on free loopback ports, with a certificate of the test."""
import http.client
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sysconfig

LAUNCH = pathlib.Path(__file__).parent.parent.parent / "launch"
SCRIPTS = pathlib.Path(sysconfig.get_path("scripts"))  # where pip puts programs


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def replace_each(text, replacements):
    """Each old piece stands there once, or the configuration is not the one that is tested."""
    for old, new in replacements:
        assert text.count(old) == 1, f"{text.count(old)} times: {old}"
        text = text.replace(old, new)
    return text


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "server.key", "-out", folder / "server.pem"], check=True, capture_output=True)


class Proxy:
    """name: of its configuration in launch/."""
    name: str

    def __init__(self, folder, port_behind):
        self.folder, self.port = folder, free_port()
        self.config = folder / self.name
        make_certificate(folder)
        self.trust = ssl.create_default_context(cafile=folder / "server.pem")
        self.processes = []
        self.configure(port_behind)
        self.start()
        self.await_answer()

    def configure(self, port_behind):
        # In one piece: who looks at the file sees no part of it.
        written = self.folder / "new"
        written.write_text(replace_each((LAUNCH / self.name).read_text(), self.replacements(port_behind)))
        written.replace(self.config)

    def run(self, *command):
        with open(self.folder / "log", "ab") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=os.environ | {"HOME": str(self.folder)}))

    def log(self):
        return (self.folder / "log").read_text()

    def connect(self):
        return http.client.HTTPSConnection("localhost", self.port, timeout=60, context=self.trust)

    def ask(self, method, path, body=None, headers={}):
        """Status, headers and body of the answer."""
        connection = self.connect()
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def await_answer(self):
        """Until it has found the server behind it ready."""
        while True:
            assert self.processes[-1].poll() is None, self.log()
            try:
                if self.ask("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass

    def stop(self):
        for process in self.processes:
            process.kill()  # how they end is not what is tested
            process.wait(30)


class Caddy(Proxy):
    name = "Caddyfile"
    program = shutil.which("caddy")

    def replacements(self, port_behind):
        # Without the second it would ask port 80 of this machine for plain HTTP, too.
        return [("{\n\tservers {\n", f"{{\n\tadmin unix/{self.folder}/admin\n\tauto_https disable_redirects\n\tservers {{\n"),
                ("llm.example.com {\n", f"localhost:{self.port} {{\n\ttls {self.folder}/server.pem {self.folder}/server.key\n"),
                ("127.0.0.1:8000", f"127.0.0.1:{port_behind}")]

    def start(self):
        self.run(self.program, "run", "--config", self.config, "--adapter", "caddyfile")

    def reload(self, port_behind):
        self.configure(port_behind)
        subprocess.run([self.program, "reload", "--config", self.config, "--adapter", "caddyfile", "--address", f"unix/{self.folder}/admin"], check=True,
                       capture_output=True, timeout=60)


class Traefik(Proxy):
    name = "traefik.yaml"
    program = SCRIPTS / "traefik"

    def replacements(self, port_behind):
        return [('":443"', f'"127.0.0.1:{self.port}"'), ("providers:\n", "providers:\n  providersThrottleDuration: 0s\n"), ("filename: /etc/traefik/traefik.yaml", f"filename: {self.config}"),
                ("/etc/traefik/server.pem", f"{self.folder}/server.pem"), ("/etc/traefik/server.key", f"{self.folder}/server.key"),
                ("http://127.0.0.1:8000", f"http://127.0.0.1:{port_behind}")]

    def start(self):
        self.run(self.program, f"--configfile={self.config}")

    reload = Proxy.configure  # it looks at the file


class Envoy(Proxy):
    name = "envoy.yaml"
    program = SCRIPTS / "envoy"

    def replacements(self, port_behind):
        return [("{address: 0.0.0.0, port_value: 443}", f"{{address: 127.0.0.1, port_value: {self.port}}}"),
                ("/etc/envoy/server.pem", f"{self.folder}/server.pem"), ("/etc/envoy/server.key", f"{self.folder}/server.key"),
                ("port_value: 9901", "port_value: 0"), ("port_value: 8000", f"port_value: {port_behind}")]

    def start(self):
        # Hot restarts of this one and of no other on the machine.
        self.run(self.program, "-c", self.config, "--base-id", str(self.port), "--restart-epoch", str(len(self.processes)), "--concurrency", "1",
                 "--drain-time-s", "60", "--parent-shutdown-time-s", "120", "--log-level", "warning")

    def reload(self, port_behind):
        self.configure(port_behind)
        self.start()
