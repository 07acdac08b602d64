"""Root folders of Debian systems, which debootstrap makes, and programs in them. Needs root."""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import threading
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
MIRROR = os.environ.get("DEBIAN_MIRROR", "")  # of packages; debootstrap's own without
# How this machine reaches the network's names and packages, for a root folder in which packages are installed.
OF_THIS_MACHINE = ["/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"]


def say(text):
    print(f"==> {text}", file=sys.stderr, flush=True)


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, **options)


def require(*tools):
    missing = [tool for tool in tools if not shutil.which(tool)]
    if os.geteuid() != 0 or missing:
        raise SystemExit("needs root" + (f", and: apt-get install {' '.join(missing)}" if missing else ""))


def make_debian(suite, root):
    """The smallest system, where there is none yet."""
    if not root.exists():
        say(f"Making {suite}")
        run("debootstrap", "--variant=minbase", suite, root, *filter(None, [MIRROR]), stdout=subprocess.DEVNULL)


def run_inside(root, *command, **options):
    """As its root user, with this machine's network."""
    for file in OF_THIS_MACHINE:
        if os.path.exists(file):
            inside = root / file.lstrip("/")
            inside.parent.mkdir(parents=True, exist_ok=True)
            inside.unlink(missing_ok=True)
            shutil.copy(file, inside)
    script = f"mount -t proc proc {shlex.quote(str(root))}/proc && exec chroot {shlex.quote(str(root))} \"$@\""
    return run("unshare", "--mount", "--pid", "--fork", "bash", "-c", script, "-", *command,
               env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"} |
               {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.lower().endswith("_proxy")}, **options)


def start(root, user, *command, environment):
    """In a root folder that nobody can write there, as a user, "UID:GID"."""
    root = shlex.quote(str(root))
    script = (f"mount --bind {root} {root} && mount -o remount,bind,ro {root} && mount -t proc proc {root}/proc && mount --rbind /sys {root}/sys && "
              f"mount -t tmpfs tmpfs {root}/dev && mkdir {root}/dev/shm && chmod 1777 {root}/dev/shm && "
              f"for one in null zero urandom random; do touch {root}/dev/$one; mount --bind /dev/$one {root}/dev/$one; done && "
              f"exec chroot --userspec={user} {root} \"$@\"")
    return subprocess.Popen(["unshare", "--mount", "bash", "-euc", script, "-", *command], env=environment, stderr=subprocess.PIPE, text=True)


def listening_port(process):
    for line in process.stderr:
        if line.startswith("{") and (event := json.loads(line))["event"] == "listening":
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return event["port"]
        sys.stderr.write(line)
    raise SystemExit("the server ended")


def ask_demo_model(port):
    body = json.dumps({"model": "troupe-mini", "messages": [{"role": "user", "content": "Solve 17 * 23"}]}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", body, {"Content-Type": "application/json"})
    answer = json.loads(urllib.request.urlopen(request, timeout=60).read())["choices"][0]["message"]["content"]
    assert "391" in answer, answer
    say(f"It answers: {answer}")
