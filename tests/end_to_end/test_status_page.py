"""The status page in a real browser: what it shows of a live replica, a key that it asks for, and a worker that dies before its eyes."""
import json
import os
import pathlib
import signal
import urllib.parse

import pytest

from browser import CHROMIUM, Browser
from conftest import Server
from key_file import KeyFile

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed; launch/packages.txt has it")

PHONE = {"width": 390, "height": 844}
REPLICA = ["--kv-cache-memory-bytes", "64M", "--virtual-shards", "4", "--threads", "1", "-tp", "2"]


@pytest.fixture(scope="module")
def replica():
    server = Server(*REPLICA)
    yield server
    server.stop()


@pytest.fixture
def browse(tmp_path):
    """A function that opens pages; they close with the test."""
    opened = []

    def browse(url, **options):
        opened.append(Browser(tmp_path / f"profile{len(opened)}", **options))
        opened[-1].go_to(url)
        return opened[-1]
    yield browse
    for each in opened:
        each.close()


def text_of(element):
    return f"document.getElementById('{element}')?.textContent"


def complete(server, tokens):
    server.post("/v1/completions", {"model": "troupe-mini", "prompt": "Count from 1 to 100.", "max_tokens": tokens, "temperature": 0, "ignore_eos": True})


def keep_picture(page, name):
    """Of what was seen, for whoever wants to look: TROUPE_PICTURES names a folder."""
    if folder := os.environ.get("TROUPE_PICTURES"):
        page.picture(pathlib.Path(folder) / name)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{}, PHONE], ids=["desk", "phone"])
def test_shows_the_replica(replica, browse, scheme, size):
    page = browse(replica.url + "/", scheme=scheme, **size)
    page.await_true(f"{text_of('state')} === 'serving'")
    complete(replica, 40)
    page.await_true(f"{text_of('time_to_first_token_seconds_quantiles')}?.startsWith('p50')")
    # Its rate is seen a second later.
    page.await_true("rates.some(each => each > 0) && document.querySelector('#rate polyline').getAttribute('points').includes(' ')")
    view = json.loads(replica.get("/v1/replica"))
    rows = page.look("[...document.querySelectorAll('#ranks tr')].slice(1).map(row => [...row.cells].map(cell => cell.textContent))")
    assert [row[:4] for row in rows] == [[str(rank["rank"]), "0", str(rank["pid"]), "serving"] for rank in view["ranks"]]
    assert page.look(text_of("model")) == "troupe-mini"
    assert page.look("document.querySelectorAll('#time_to_first_token_seconds rect').length") == 17
    assert page.look("Math.max(...[...document.querySelectorAll('#e2e_request_latency_seconds rect')].map(bar => +bar.getAttribute('height')))") == 72
    assert "blocks" in page.look(text_of("cache"))
    assert page.look("document.documentElement.scrollWidth <= innerWidth"), "it is wider than the window"
    assert page.look("matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")
    ink, paper = [sum(map(int, page.look(f"getComputedStyle(document.body).{which}")[4:-1].split(","))) for which in ["color", "backgroundColor"]]
    assert (ink > paper) == (scheme == "dark") and abs(ink - paper) > 400
    assert {urllib.parse.urlsplit(url).netloc for url in page.asked if url.startswith("http")} == {urllib.parse.urlsplit(replica.url).netloc}
    keep_picture(page, f"{scheme}-{'phone' if size else 'desk'}.png")


def test_sees_a_worker_die(replica, browse):
    page = browse(replica.url + "/")
    page.await_true(f"{text_of('state')} === 'serving'")
    before = json.loads(replica.get("/v1/replica"))
    victim = before["ranks"][1]
    os.kill(victim["pid"], signal.SIGKILL)
    page.await_true(f"{text_of('fault')}.startsWith('rank 1 exited at step')")
    page.await_true(f"{text_of('state')} === 'serving' && {text_of('fault')}.includes('recovered after')")
    row = page.look("[...document.querySelectorAll('#ranks tr')[2].cells].map(cell => cell.textContent)")
    assert row[0] == "1" and row[2] != str(victim["pid"]) and row[3] == "serving" and row[5:] == [str(victim["restarts"] + 1), "exited"]
    assert page.look("[...document.querySelectorAll('#tiles section')].find(tile => tile.textContent.startsWith('Epoch')).querySelector('b').textContent") \
        == str(json.loads(replica.get("/v1/replica"))["epoch"]) != str(before["epoch"])
    keep_picture(page, "fault.png")


def test_asks_for_the_key_and_says_that_a_server_is_gone(browse, tmp_path):
    keys = KeyFile(tmp_path)
    watcher, user = keys.add("watcher", "--class", "metrics"), keys.add("user")
    server = Server("--api-keys", keys.path)
    try:
        page = browse(server.url + "/", **PHONE)
        page.await_true(f"{text_of('state')} === 'locked' && !document.getElementById('door').hidden")
        for key, state in [("none", "locked"), (user, "locked"), (watcher, "serving")]:
            page.look(f"document.getElementById('key').value = '{key}'; document.getElementById('state').textContent = ''; document.querySelector('button').click()")
            page.await_true(f"{text_of('state')} === '{state}'")
        assert page.look("document.getElementById('door').hidden")
        # Of impatient clicks one goes on.
        page.look("""(() => {
            window.most = 0;
            window.before = turn;
            const timers = new Set(), set = setTimeout, clear = clearTimeout;
            window.setTimeout = (call, time) => {
                const id = set(() => { timers.delete(id); call(); }, time);
                most = Math.max(most, timers.add(id).size);
                return id;
            };
            window.clearTimeout = id => { timers.delete(id); clear(id); };
            document.getElementById('state').textContent = '';
            for (let i = 0; i < 3; ++i) document.querySelector('#door button').click();
        })()""")
        page.await_true(f"{text_of('state')} === 'serving' && most > 0")
        page.await_true("turn >= before + 3 + 2")  # some rounds later
        assert page.look("most") == 1
    finally:
        server.stop()
    page.await_true(f"{text_of('state')} === 'no answer'")
