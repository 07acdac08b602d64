"""Models come from a hub whole or not at all, whatever happens on the way; what came is verified before it is served."""
import hashlib
import json
import os
import pathlib
import random
import resource
import socket
import socketserver
import subprocess
import threading

import pytest

from conftest import Server
from hub import BLOCK, COMMIT, Hub

DEMO = pathlib.Path(__file__).parents[2] / "model/demo"
WEIGHTS = "model.safetensors"


def demo_model():
    return {name: (DEMO / name).read_bytes() for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json",
                                                      "chat_template.jinja", WEIGHTS]}


@pytest.fixture(scope="module")
def large_model():
    return {"config.json": b"{}", WEIGHTS: random.Random(1).randbytes(6 * BLOCK + 99), "README.md": b"words"}


def environment(**variables):
    clean = {name: value for name, value in os.environ.items() if not name.lower().startswith(("hf_", "ssl_cert_", "troupe_")) and not name.lower().endswith("_proxy")}
    return clean | variables


def arguments(url, folder, *flags):
    return [os.environ["TROUPE_BINARY"], "pull", "o/m", "--endpoint", url, "--to", folder, "--retry-delay", "0", *flags]


def pull(url, folder, *flags, variables={}, **options):
    return subprocess.run(arguments(url, folder, *flags), env=environment(**variables), capture_output=True, text=True, timeout=120, **options)


def troupe(*words):
    return subprocess.run([os.environ["TROUPE_BINARY"], *words], env=environment(), capture_output=True, text=True, timeout=120)


def names_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_model_is_pulled_verified_and_served(tmp_path):
    files, folder = demo_model(), tmp_path / "model"
    with Hub(files | {"README.md": b"words", "pytorch_model.bin": b"old"}) as hub:
        done = pull(hub.url, folder)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{folder}: o/m@{COMMIT}, {len(files)} files\n"
        assert {name for name, _ in hub.asked} == set(files)
        before = len(hub.asked)
        assert pull(hub.url, folder).stdout.endswith(", was there\n") and len(hub.asked) == before
    assert names_in(folder) == sorted([*files, "MANIFEST.sha256"])
    assert all((folder / name).read_bytes() == data for name, data in files.items())
    subprocess.run(["sha256sum", "--strict", "--status", "-c", "MANIFEST.sha256"], cwd=folder, check=True)
    assert f"manifest        {len(files)} files, {sum(map(len, files.values()))} bytes" in troupe("check", folder, "--manifest").stdout
    server = Server("--require-manifest", str(folder))
    try:
        body = {"model": "model", "messages": [{"role": "user", "content": "Solve 17 * 23"}], "temperature": 0}
        assert "391" in json.loads(server.post("/v1/chat/completions", body))["choices"][0]["message"]["content"]
    finally:
        server.stop()
    assert [json.loads(line)["files"] for line in server.log if '"manifest_verified"' in line] == [len(files)]


def test_files_that_are_not_as_the_manifest_has_them_are_named_and_not_served(tmp_path):
    folder = tmp_path / "model"
    with Hub(demo_model()) as hub:
        assert pull(hub.url, folder).returncode == 0
    right = hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
    data = (folder / "tokenizer.json").read_bytes() + b"\n"
    (folder / "tokenizer.json").write_bytes(data)
    (folder / "config.json").unlink()
    (folder / "hf_quant_config.json").write_text("{}")
    for words in [("check", folder, "--manifest"), ("serve", "--port", "0", "--require-manifest", folder)]:
        done = troupe(*words)
        assert done.returncode == 1
        assert f"tokenizer.json: SHA-256 is {hashlib.sha256(data).hexdigest()}, and should be {right}" in done.stderr
        assert "config.json: is missing" in done.stderr and "hf_quant_config.json: is not in the manifest" in done.stderr
        assert "listening" not in done.stderr


def test_without_a_manifest_none_is_served(tmp_path):
    done = troupe("serve", "--port", "0", "--require-manifest", DEMO)
    assert done.returncode == 1 and "MANIFEST.sha256: is not there" in done.stderr and "troupe pull" in done.stderr


def test_killed_again_and_again_it_goes_on(tmp_path, large_model):
    """Each process gets two blocks, and is killed within the third."""
    folder, stalled, gate, left = tmp_path / "model", threading.Event(), threading.Event(), []

    def stall(handler, name):
        if name != WEIGHTS or gate.is_set():
            return False
        if left:
            left.pop()
            return False
        handler.send_file(name, 49)
        stalled.set()
        return gate.wait(60)
    with Hub(large_model, stall) as hub:
        for _ in range(3):
            left[:] = [1, 1]
            process = subprocess.Popen(arguments(hub.url, folder, "--connections", "1"), env=environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            assert stalled.wait(60)
            stalled.clear()
            process.kill()
            process.wait(30)
            assert not (folder / WEIGHTS).exists() and not (folder / "MANIFEST.sha256").exists()
        gate.set()
        before = len(hub.asked)
        done = pull(hub.url, folder)
        assert done.returncode == 0, done.stderr
        assert hub.asked[before:] == [(WEIGHTS, 6 * BLOCK)]
    assert (folder / WEIGHTS).read_bytes() == large_model[WEIGHTS]
    assert names_in(folder) == ["MANIFEST.sha256", "config.json", WEIGHTS]


def test_a_full_disk_is_said_and_what_came_is_kept(tmp_path, large_model):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * BLOCK + 5, 2 * BLOCK + 5))
    folder = tmp_path / "model"
    with Hub(large_model) as hub:
        done = pull(hub.url, folder, "--connections", "1", preexec_fn=small_files)
        assert done.returncode == 1
        assert f"{folder / WEIGHTS}: cannot be written: File too large; free some space" in done.stderr, done.stderr
        assert not (folder / WEIGHTS).exists()
        sent = hub.sent
        done = pull(hub.url, folder)
        assert done.returncode == 0, done.stderr
        assert hub.sent - sent == len(large_model[WEIGHTS]) - 2 * BLOCK
    assert (folder / WEIGHTS).read_bytes() == large_model[WEIGHTS]


def certificate(folder, names):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=hub",
                    "-addext", f"subjectAltName={names}", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


def test_tls_is_verified_and_only_the_endpoint_sees_the_token(tmp_path, large_model):
    tls = certificate(tmp_path, "DNS:localhost,IP:127.0.0.1")
    tokens = []

    def note(handler, _):
        tokens.append(handler.headers.get("Authorization"))
        return False
    with Hub(large_model, note, tls=tls) as hub:
        untrusted = pull(hub.url, tmp_path / "model")
        assert untrusted.returncode == 1 and "its certificate is not trusted: self-signed certificate" in untrusted.stderr, untrusted.stderr
        assert not tokens and not (tmp_path / "model").exists()
        trusting = {"SSL_CERT_FILE": str(tls[0]), "HF_TOKEN": "hf_secret"}
        for host in "127.0.0.1", "localhost":
            folder = tmp_path / host
            done = pull(hub.url.replace("127.0.0.1", host), folder, variables=trusting)
            assert done.returncode == 0, done.stderr
            assert (folder / WEIGHTS).read_bytes() == large_model[WEIGHTS]
        assert set(tokens) == {"Bearer hf_secret"}
        assert "hf_secret" not in done.stdout + done.stderr


def test_a_certificate_of_another_host_is_refused(tmp_path, large_model):
    tls = certificate(tmp_path, "DNS:other.example")
    with Hub(large_model, tls=tls) as hub:
        done = pull(hub.url.replace("127.0.0.1", "localhost"), tmp_path / "model", variables={"SSL_CERT_FILE": str(tls[0])})
        assert done.returncode == 1 and "hostname mismatch" in done.stderr, done.stderr
        done = pull(hub.url, tmp_path / "model", variables={"SSL_CERT_FILE": str(tls[0])})
        assert done.returncode == 1 and "IP address mismatch" in done.stderr, done.stderr


def test_a_proxy_is_asked_for_a_way(tmp_path, large_model):
    """Whose clients cannot even look up the hub's name."""
    asked = []
    with Hub(large_model) as hub:
        class Proxy(socketserver.StreamRequestHandler):
            def handle(self):
                asked.append(self.rfile.readline().decode())
                while self.rfile.readline() != b"\r\n":
                    pass
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                with socket.create_connection(hub.server_address) as way:
                    sender = threading.Thread(target=shovel, args=(self.connection, way), daemon=True)
                    sender.start()
                    shovel(way, self.connection)

        def shovel(source, sink):
            try:
                while piece := source.recv(65536):
                    sink.sendall(piece)
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy) as proxy:
            proxy.daemon_threads = True
            threading.Thread(target=proxy.serve_forever, daemon=True).start()
            done = pull("http://hub.invalid", tmp_path / "model", variables={"http_proxy": f"127.0.0.1:{proxy.server_address[1]}"})
            proxy.shutdown()
    assert done.returncode == 0, done.stderr
    assert set(asked) == {"CONNECT hub.invalid:80 HTTP/1.1\r\n"}
    assert (tmp_path / "model" / WEIGHTS).read_bytes() == large_model[WEIGHTS]


def test_redirects_lead_neither_to_strangers_nor_out_of_tls(tmp_path, large_model):
    tls = certificate(tmp_path, "IP:127.0.0.1")
    with Hub(large_model) as store:
        def elsewhere(handler, name):
            if name != WEIGHTS:
                return False
            handler.answer(302, b"", Location=store.url + handler.path)
            return True
        with Hub(large_model, elsewhere, tls=tls) as hub:
            done = pull(hub.url, tmp_path / "model", "--allow-host", store.url.removeprefix("http://"), variables={"SSL_CERT_FILE": str(tls[0])})
            assert done.returncode == 1 and "redirects from https to http" in done.stderr, done.stderr
        with Hub(large_model, elsewhere) as hub:
            done = pull(hub.url, tmp_path / "model")
            assert done.returncode == 1 and "redirects to another host" in done.stderr and "--allow-host" in done.stderr, done.stderr
            assert store.asked == []
            done = pull(hub.url, tmp_path / "model", "--allow-host", store.url.removeprefix("http://"))
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words, variables, complaint", [
    (["a/b/c"], {}, "REPO: 'a/b/c' is no name of a model"),
    (["a/b@"], {}, "REPO: '' is no revision"),
    (["a/b", "--endpoint", "hub"], {}, "--endpoint: 'hub' is no URL"),
    (["a/b"], {"HF_ENDPOINT": "https://hub?x=y"}, "HF_ENDPOINT: 'https://hub?x=y' is no URL"),
    (["a/b", "--endpoint", "http://hub.example"], {"HF_TOKEN": "hf_secret"}, "HF_TOKEN would go over the network in clear"),
    (["a/b"], {"HF_TOKEN": "two words"}, "HF_TOKEN: has a space"),
    (["a/b", "--connections", "0"], {}, "--connections"),
    (["a/b", "--include", "*.gguf\nx"], {}, "--include: is empty, or has more than 1024 bytes or a control character"),
    ([], {}, "REPO[@REVISION] is missing"),
])
def test_mistakes_are_named(words, variables, complaint):
    done = subprocess.run([os.environ["TROUPE_BINARY"], "pull", *words], env=environment(**variables), capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and complaint in done.stderr, done.stderr
    assert "hf_secret" not in done.stderr
