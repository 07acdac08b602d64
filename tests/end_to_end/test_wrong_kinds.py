"""Each value of a valid request turned into each wrong kind: it is answered or refused, and the server lives on."""
import copy
import json
import urllib.error
import urllib.request

import pytest

WRONG = [None, True, -1, 0.5, 2**64 - 1, "", "x", [], [[]], [None], [1], {}, {"x": 1}]
TOOL = {"type": "object", "properties": {"x": {"type": "integer"}}}
MESSAGES = {
    "max_tokens": 1, "temperature": 0.5, "top_p": 0.5, "top_k": 3, "stop_sequences": ["b"], "metadata": {"user_id": "u"},
    "thinking": {"type": "disabled"}, "system": [{"type": "text", "text": "s"}],
    "tools": [{"name": "f", "description": "d", "input_schema": TOOL}], "tool_choice": {"type": "auto"},
    "messages": [{"role": "user", "content": "a"},
                 {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": ""},
                                                   {"type": "text", "text": "c"}, {"type": "tool_use", "id": "i", "name": "f", "input": {"x": 1}}]},
                 {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "i", "content": [{"type": "text", "text": "r"}]}]}]}
OPTIONS = {"num_predict": 1, "temperature": 0.5, "top_p": 0.5, "top_k": 3, "min_p": 0.1, "seed": 1, "stop": ["b"], "num_ctx": 64}
VALID = {
    "/v1/messages": MESSAGES,
    "/v1/messages/count_tokens": {k: MESSAGES[k] for k in ("messages", "system", "tools")},
    "/api/chat": {
        "stream": False, "think": False, "keep_alive": "5m", "options": OPTIONS,
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": TOOL}}],
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"},
                     {"role": "assistant", "content": "", "thinking": "t", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]},
                     {"role": "tool", "content": "r", "tool_name": "f"}]},
    "/api/generate": {"prompt": "p", "system": "s", "raw": False, "stream": False, "think": False, "options": OPTIONS},
    "/api/show": {},
}


def paths(value, here=()):
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield here + (key,)
        yield from paths(each, here + (key,))


def changed(body, path, value):
    body = copy.deepcopy(body)
    place = body
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return body


def status_of(url, body):
    try:
        return urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=60).status
    except urllib.error.HTTPError as refused:
        json.loads(refused.read())
        return refused.code


@pytest.mark.parametrize("endpoint", VALID)
def test_no_value_breaks_the_server(server, model, endpoint):
    valid = {"model": model} | VALID[endpoint]
    assert status_of(server.url + endpoint, valid) == 200
    for path in paths(valid):
        # A longer answer is no wrong kind of one.
        for value in (w for w in WRONG if path[-1] not in ("max_tokens", "num_predict", "options", "stream") or isinstance(w, str)):
            status = status_of(server.url + endpoint, changed(valid, path, value))
            assert status in (200, 400) or (status == 404 and path == ("model",)), (path, value, status)
    assert server.process.poll() is None and status_of(server.url + endpoint, valid) == 200
