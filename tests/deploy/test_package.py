"""The manual pages, the completions and the Debian package: right by the tools that read them, and complete by the program's own --help."""
import gzip
import os
import pathlib
import re
import subprocess
import tomllib

import pytest

from program import LAUNCH, ROOT, clean_environment, troupe
from shells import completed

BUILD = pathlib.Path(os.environ.get("TROUPE_BINARY", "")).parents[1]
VERSION = troupe("version").split()[1]


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=240, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


def helps(above=()):
    """What --help says of all commands that it names, from the program on down."""
    told = troupe(*above, "--help")
    yield above, told + "\n"
    listed = re.search(r"^SUBCOMMANDS\n((?:       \S+ +\S.*\n)+)", told, re.M)
    for name in re.findall(r"^       (\S+)", listed[1], re.M) if listed else []:
        yield from helps((*above, name))


HELPS = dict(helps())


def page_name(command):
    return "-".join(["troupe", *command])


def flags(text):
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", text))


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("share")
    troupe("manual", "--out", folder)
    return folder


def shown_by_man(page):
    """On a terminal so wide that it breaks no line, without a warning."""
    done = run("man", "--warnings=w", "-l", page, env=os.environ | {"MANWIDTH": "2000", "LC_ALL": "C.UTF-8"})
    assert not done.stderr, done.stderr
    return done.stdout


def test_there_is_a_page_of_every_command(written):
    names = {page_name(command) + ".1" for command in HELPS}
    assert {"troupe.1", "troupe-serve.1", "troupe-bench-serve.1", "troupe-keys-add.1", "troupe-manual.1"} <= names
    assert {page.name for page in (written / "man/man1").iterdir()} == names


def test_pages_say_what_help_says(written):
    """Word by word, but for how subcommands are named and what is to be seen besides."""
    for command, told in HELPS.items():
        shown = shown_by_man(written / "man/man1" / (page_name(command) + ".1"))
        assert flags(shown) == flags(told), command
        if "\nSUBCOMMANDS\n" in told:
            references = re.findall(r"^ +(troupe-[\w-]+)\(1\)", shown.partition("SUBCOMMANDS")[2], re.M)
            assert set(references) == {page_name(other) for other in HELPS if other and other[:-1] == command}
        else:
            words = shown.partition("\nNAME\n")[2].partition("\nSEE ALSO\n")[0].split()
            assert words == told.partition("NAME\n")[2].split(), command


def test_man_finds_what_pages_are_called(written):
    pages = list((written / "man/man1").iterdir())
    for line in run("lexgrog", *pages).stdout.splitlines():
        assert re.fullmatch(r'(\S+/)(troupe[\w-]*)\.1: "\2 - \S.*"', line), line


def test_nothing_on_a_page_is_a_command_of_troff(written):
    """Bytes are ASCII; a backslash begins nothing but what the program escapes with."""
    for page in (written / "man/man1").iterdir():
        text = page.read_bytes().decode("ascii")
        lines = text.splitlines()[1:]
        assert set(re.findall(r"\\(?:\(..|f.|.)", "\n".join(lines))) <= {"\\-", "\\&", "\\(rs", "\\(aq", "\\(ga", "\\(dq", "\\(ha", "\\(ti", "\\fB", "\\fI", "\\fR"}
        assert {line.split()[0] for line in lines if line.startswith((".", "'"))} <= {".TH", ".SH", ".TP", ".PP", ".EX", ".EE", ".BR"}


COMPLETED = {
    "troupe ser": ["serve"],
    "troupe bench ": ["bench", "decode", "offline", "serve", "step"],
    "troupe keys rev": ["keys", "revoke"],
    "troupe serve --kv-cache-dt": ["serve", "--kv-cache-dtype"],
    "troupe serve --kv-cache-dtype ": ["serve", "--kv-cache-dtype", "auto", "bf16", "f32", "fp8"],
    "troupe serve --kv-cache-dtype=b": ["serve", "--kv-cache-dtype=bf16"],
    "troupe serve -tp 2 --no-enable-pre": ["serve", "-tp", "2", "--no-enable-prefix-caching"],
    "troupe serve --config a": ["serve", "--config", "a b.toml", "a.toml", "away"],
    "troupe serve --journal a": ["serve", "--journal", "away"],
    "troupe serve aw": ["serve", "away"],
    "troupe serve --port a": ["serve", "--port", "a"],
    "troupe bench serve --base-url http://a --dataset-name tr": ["bench", "serve", "--base-url", "http://a", "--dataset-name", "trace"],
    "troupe keys add a --class ": ["keys", "add", "a", "--class", "control", "inference", "metrics"],
    "troupe smoke --on": ["smoke", "--only"],
    "troupe manual --out a": ["manual", "--out", "away"],
    "troupe version --verb": ["version", "--verbose"],
}


@pytest.mark.parametrize("line", COMPLETED)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_lines_are_completed(shell, line, written, tmp_path):
    files = tmp_path / "files"
    (files / "away").mkdir(parents=True)
    for name in ["a.toml", "a b.toml", "other"]:
        (files / name).touch()
    words = completed(shell, written, tmp_path, line)
    before = line.count(" ") - 1  # words in the order of the line, then those that were put in
    assert (words[:before], sorted(words[before:])) == (COMPLETED[line][:before], sorted(COMPLETED[line][before:]))


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_all_flags_are_completed(shell, written, tmp_path):
    """Those of the largest table, as its page has them."""
    options = re.split(r"^DESCRIPTION\n(?: .*\n|\n)*", HELPS["serve",], flags=re.M)[1]
    told = flags("\n".join(re.findall(r"^ {7}(-.*)", options.partition("\nENVIRONMENT\n")[0], re.M)))
    found = set(completed(shell, written, tmp_path, "troupe serve -")[1:])
    assert len(told) > 100 and found == told


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", folder, "-D", "CPACK_DEBIAN_COMPRESSION_TYPE=none")  # which takes most of the time
    (found,) = folder.glob("*.deb")
    return found


@pytest.fixture(scope="session")
def unpacked(package, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    run("dpkg-deb", "--raw-extract", package, root)
    return root


def test_package_says_what_it_is_and_needs(package):
    architecture = run("dpkg", "--print-architecture").stdout.strip()
    assert package.name == f"troupe_{VERSION}_{architecture}.deb"
    fields = dict(re.findall(r"^([\w-]+): (.*)", run("dpkg-deb", "--field", package).stdout, re.M))
    assert (fields["Package"], fields["Version"], fields["Section"], fields["Priority"]) == ("troupe", VERSION, "science", "optional")
    needed = {each.split()[0] for each in fields["Depends"].split(", ")}
    assert {"libc6", "libssl3", "systemd-standalone-sysusers"} <= needed and any(each.startswith("libcaf-io") for each in needed)
    assert not [each for each in needed if each.endswith("-dev")]


def test_package_has_nothing_else(package, unpacked):
    """The folders are Debian's, the files are root's, and nothing of what the program was built from is there."""
    listed = [(line.split()[0], line.split()[1], line.split(maxsplit=5)[5]) for line in run("dpkg-deb", "--contents", package).stdout.splitlines()]
    assert {owner for _, owner, _ in listed} == {"root/root"}
    assert {mode for mode, _, name in listed if name.endswith("/")} == {"drwxr-xr-x"}
    assert {name: mode for mode, _, name in listed if not name.endswith("/") and mode != "-rw-r--r--"} == {"./usr/bin/troupe": "-rwxr-xr-x"}
    files = [path.relative_to(unpacked) for path in unpacked.rglob("*") if path.is_file() and "DEBIAN" not in path.parts]
    places = {"usr/bin": {"troupe"}, "etc/troupe": {"troupe.toml"}, "usr/lib/systemd/system": {"troupe.service"}, "usr/lib/sysusers.d": {"troupe.conf"},
              "usr/share/bash-completion/completions": {"troupe"}, "usr/share/zsh/vendor-completions": {"_troupe"},
              "usr/share/doc/troupe": {"README.md", "CHANGELOG.md", "SECURITY.md", "deployment.md", "playbook.md", "changelog.gz", "copyright"},
              "usr/share/doc/troupe/examples": {"troupe.toml", "tls.conf", "cuda.conf"},
              "usr/share/man/man1": {page_name(command) + ".1.gz" for command in HELPS}}
    for place, names in places.items():
        assert {file.name for file in files if str(file.parent) == place} == names, place
    data = {str(file.parent) for file in files} - set(places)
    assert data == {"usr/share/troupe/" + name for name in ["demo", "profiles", "published", "templates"]}


def test_package_asks_before_it_replaces_settings(unpacked):
    assert (unpacked / "DEBIAN/conffiles").read_text().split() == ["/etc/troupe/troupe.toml"]
    assert (unpacked / "etc/troupe/troupe.toml").read_text() == (LAUNCH / "systemd/troupe.toml").read_text()


def test_scripts_are_sound(unpacked):
    for name in ["postinst", "prerm", "postrm"]:
        script = unpacked / "DEBIAN" / name
        assert script.stat().st_mode & 0o777 == 0o755 and "\nset -e\n" in script.read_text()
        run("dash", "-n", script)
    assert not re.search(r"\b(enable|start)\b", re.sub("#.*", "", (unpacked / "DEBIAN/postinst").read_text()))


def test_unit_is_the_trees_but_for_its_program(unpacked):
    unit = (LAUNCH / "systemd/troupe.service").read_text()
    assert "/opt/troupe/bin/troupe" in unit
    assert (unpacked / "usr/lib/systemd/system/troupe.service").read_text() == unit.replace("/opt/troupe/bin/troupe", "/usr/bin/troupe")
    user = re.search(r"^User=(.*)", unit, re.M)[1]
    assert re.search(rf"^u {user} ", (unpacked / "usr/lib/sysusers.d/troupe.conf").read_text(), re.M)
    run("systemd-sysusers", "--dry-run", unpacked / "usr/lib/sysusers.d/troupe.conf")


def test_program_of_the_package_finds_its_own_data(unpacked):
    """Those beside it, and not those of the tree that it was built from."""
    program = unpacked / "usr/bin/troupe"
    assert run(program, "version").stdout.split() == ["troupe", VERSION]
    calls = run("strace", "-f", "-e", "trace=open,openat", program, "check", unpacked / "usr/share/troupe/demo", env=clean_environment()).stderr
    assert str(unpacked / "usr/share/troupe/demo/model.safetensors") in calls
    shown = run("strace", "-f", "-e", "trace=open,openat", program, "size", "deepseek-v3", env=clean_environment()).stderr
    assert str(unpacked / "usr/share/troupe/published") in shown and f'"{ROOT}/' not in shown


def test_texts_of_the_package_are_of_its_version(unpacked):
    with gzip.open(unpacked / "usr/share/doc/troupe/changelog.gz", "rt") as file:
        assert file.readline().startswith(f"troupe ({VERSION}) ")
    assert re.search(r"^## ([\d.]+) - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M)[1] == VERSION
    with gzip.open(unpacked / "usr/share/man/man1/troupe.1.gz", "rt") as file:
        assert f'"troupe {VERSION}"' in file.read()
    assert tomllib.loads((unpacked / "usr/share/doc/troupe/examples/troupe.toml").read_text())["port"] == 8000
