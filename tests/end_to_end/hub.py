"""A server on loopback with Hugging Face's file API and one model."""
import hashlib
import http.server
import json
import re
import ssl
import threading

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BLOCK = 4 << 20  # of what troupe pull remembers


class Hub(http.server.ThreadingHTTPServer):
    """files: by name, those of more than 1000 bytes in large storage. instead: called with a handler and the name of its file, or
    None; True: it has answered. tls: paths of a certificate and its key."""
    daemon_threads = True

    def __init__(self, files, instead=None, tls=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.instead = files, instead
        self.asked = []  # (name, first byte)
        self.sent = 0  # bytes of files
        self.lock = threading.Lock()
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        """Clients are killed here."""

    def listing(self):
        def sibling(name, data):
            told = {"rfilename": name, "size": len(data), "blobId": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}
            if len(data) > 1000:
                told["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
            return told
        return {"id": "o/m", "sha": COMMIT, "siblings": [sibling(*each) for each in self.files.items()]}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        prefix = f"/o/m/resolve/{COMMIT}/"
        name = self.path.removeprefix(prefix) if self.path.startswith(prefix) else None
        if self.server.instead and self.server.instead(self, name):
            return
        if self.path == "/api/models/o/m/revision/main?blobs=true":
            self.answer(200, json.dumps(self.server.listing()).encode())
        elif name in self.server.files:
            self.send_file(name)
        else:
            self.answer(404, b'{"error": "not found"}')

    def answer(self, status, body, **fields):
        self.send_response(status)
        self.send_header("Content-Length", len(body))
        for field, value in fields.items():
            self.send_header(field.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, name, allowance=None):
        """Or, if so many bytes are less than what is asked for, no more than them."""
        data = self.server.files[name]
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        begin, end = (int(asked[1]), int(asked[2]) + 1) if asked else (0, len(data))
        with self.server.lock:
            self.server.asked.append((name, begin))
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", end - begin)
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(data)}")
        self.end_headers()
        part = data[begin:end][:allowance]
        self.wfile.write(part)
        with self.server.lock:
            self.server.sent += len(part)
        return len(part) == end - begin

    def log_message(self, *_):
        pass
