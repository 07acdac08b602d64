"""Keys of callers, as troupe keys edits them."""
import os
import subprocess


def troupe(*arguments):
    return subprocess.run([os.environ["TROUPE_BINARY"], *arguments], capture_output=True, text=True, check=True, timeout=60).stdout.strip()


class KeyFile:
    """Of a server's --api-keys."""
    def __init__(self, folder):
        self.path = str(folder / "keys.toml")

    def add(self, name, *flags):
        return troupe("keys", "add", name, "--api-keys", self.path, *flags)
