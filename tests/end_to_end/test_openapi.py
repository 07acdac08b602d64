"""/openapi.json is true: schemathesis sends what it permits, and what it does not, and finds no answer that it leaves out."""
import subprocess
import sys

from conftest import Server


def test_schemathesis_finds_nothing(tmp_path):
    server = Server("--max-model-len", "128", "--enable-replica-control")
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    try:
        # By one thread: ast.parse of Python 3.11, which hypothesis asks, is not safe between several (CPython's issue 106905).
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", server.url + "/openapi.json", "--checks", checks, "--phases", "examples,fuzzing",
             "--max-examples", "25", "--seed", "1", "--generation-database", "none", "--no-shrink", "--suppress-health-check", "all", "--workers", "1",
             "--exclude-path", "/v1/replica/drill", "--no-color"],
            cwd=tmp_path, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert server.process.poll() is None
    finally:
        server.stop()
