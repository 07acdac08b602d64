"""Chat and completions through the openai package, as applications use them."""
import concurrent.futures
import json

import openai
import pytest

from conftest import GOLDENS

WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Get the weather in a city", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}


def golden_kwargs(golden):
    extra = {"chat_template_kwargs": {"thinking": golden["thinking"]}, "skip_special_tokens": False}
    return {"messages": golden["messages"], "extra_body": extra, "temperature": 0} | ({"tools": golden["tools"]} if golden["tools"] else {})


def check_whole(message, golden):
    """The parts of a message are the parts of what the reference model wrote."""
    written = golden["output"].removesuffix("<｜end▁of▁sentence｜>")
    if golden["thinking"]:
        reasoning, _, written = written.partition("</think>")
        assert message.reasoning_content == reasoning
    answer, _, calls = written.partition("<｜tool▁calls▁begin｜>")
    assert (message.content or "") == answer
    again = "".join(f"<｜tool▁call▁begin｜>{c.function.name}<｜tool▁sep｜>{c.function.arguments}<｜tool▁call▁end｜>" for c in message.tool_calls or [])
    assert again == calls.removesuffix("<｜tool▁calls▁end｜>")


def test_goldens_come_out_equal_together(client, model):
    """All at once: what else is in the batch changes nothing."""
    def ask(golden):
        return client.chat.completions.create(model=model, **golden_kwargs(golden))
    with concurrent.futures.ThreadPoolExecutor(len(GOLDENS)) as pool:
        answers = list(pool.map(ask, GOLDENS))
    for golden, answer in zip(GOLDENS, answers):
        check_whole(answer.choices[0].message, golden)
        assert answer.usage.prompt_tokens == len(golden["prompt_ids"])
        assert answer.usage.completion_tokens == len(golden["output_ids"])


def test_streams_end_as_they_should(client, model):
    chunks = list(client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Solve 17 * 23"}], temperature=0, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]).endswith("17 * 23 = 391")
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks[:-1] if c.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].choices == [] and chunks[-1].usage.prompt_tokens == 12
    assert len({c.id for c in chunks}) == 1


def test_stream_and_whole_are_equal_for_tools(client, model):
    request = dict(model=model, messages=[{"role": "user", "content": "What is the weather in Lima?"}], tools=[WEATHER], temperature=0)
    whole = client.chat.completions.create(**request).choices[0]
    assert whole.finish_reason == "tool_calls"
    call = whole.message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Lima"})
    name, arguments, reasons = "", "", []
    for chunk in client.chat.completions.create(**request, stream=True):
        choice = chunk.choices[0]
        for piece in choice.delta.tool_calls or []:
            assert piece.index == 0
            name += piece.function.name or ""
            arguments += piece.function.arguments or ""
        if choice.finish_reason:
            reasons.append(choice.finish_reason)
    assert (name, arguments, reasons) == (call.function.name, call.function.arguments, ["tool_calls"])


def test_tool_result_goes_back(client, model):
    first = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "What is the weather in Lima?"}], tools=[WEATHER], temperature=0)
    message = first.choices[0].message
    second = client.chat.completions.create(model=model, temperature=0, tools=[WEATHER], messages=[
        {"role": "user", "content": "What is the weather in Lima?"}, message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": '{"temperature": 21, "sky": "clear"}'}])
    assert second.choices[0].message.content


def test_reasoning_is_apart(client, model):
    request = dict(model=model, messages=[{"role": "user", "content": "Capital of Japan?"}], temperature=0,
                   extra_body={"chat_template_kwargs": {"thinking": True}})
    message = client.chat.completions.create(**request).choices[0].message
    assert message.reasoning_content == "\nThe capital of Japan is Tokyo.\n"
    assert message.reasoning == message.reasoning_content
    assert message.content == "The capital of Japan is Tokyo."
    streamed = {"reasoning_content": "", "content": ""}
    for chunk in client.chat.completions.create(**request, stream=True):
        for field in streamed:
            streamed[field] += getattr(chunk.choices[0].delta, field, None) or ""
    assert streamed == {"reasoning_content": message.reasoning_content, "content": message.content}


def test_choices_and_seeds(client, model):
    request = dict(model=model, messages=[{"role": "user", "content": "Tell me a short story about a fox."}], temperature=1.0, seed=5, n=3)
    texts = [[c.message.content for c in client.chat.completions.create(**request).choices] for _ in range(2)]
    assert texts[0] == texts[1] and len(set(texts[0])) > 1


def test_logprobs(client, model):
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Solve 2 + 2"}], temperature=0, logprobs=True, top_logprobs=3, max_tokens=4)
    entries = answer.choices[0].logprobs.content
    assert len(entries) == 4
    for entry in entries:
        assert entry.logprob <= 0 and len(entry.top_logprobs) == 3
        assert entry.top_logprobs[0].logprob == entry.logprob


def test_special_tokens_in_a_users_text_are_text(client, model):
    plain = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "a"}], max_tokens=1).usage.prompt_tokens
    tricky = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "a<｜Assistant｜>"}], max_tokens=1).usage.prompt_tokens
    assert tricky > plain + 1


def test_completions(client, model):
    golden = GOLDENS[0]
    by_ids = client.completions.create(model=model, prompt=golden["prompt_ids"], temperature=0, max_tokens=200)
    by_text = client.completions.create(model=model, prompt=golden["prompt"], temperature=0, max_tokens=200)
    assert by_ids.choices[0].text == by_text.choices[0].text == golden["output"].removesuffix("<｜end▁of▁sentence｜>")
    several = client.completions.create(model=model, prompt=[golden["prompt"], "The capital of"], n=2, temperature=0, max_tokens=3, echo=True)
    assert [c.index for c in several.choices] == [0, 1, 2, 3]
    assert several.choices[2].text.startswith("The capital of")


def test_stop_strings(client, model):
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Count from 1 to 100."}], temperature=0, stop=[" 7,"])
    assert answer.choices[0].message.content == "1, 2, 3, 4, 5, 6,"
    assert answer.choices[0].finish_reason == "stop"


def test_a_client_that_leaves_is_cancelled(server, client, model):
    before = server.metric("request_success_total")
    stream = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Count from 1 to 100."}], temperature=0, stream=True, max_tokens=2000,
                                            extra_body={"ignore_eos": True})
    next(iter(stream))
    stream.close()
    while server.metric("num_requests_running") > 0 or server.metric("request_success_total") == before:
        pass
    assert server.metric('request_success_total{finished_reason="abort"') > 0


@pytest.mark.parametrize("change, status, needle", [
    (dict(model="nobody"), 404, "nobody"),
    (dict(messages=[]), 400, "messages"),
    (dict(temperature=-1), 400, "temperature"),
    (dict(temperature=101), 400, "temperature"),
    (dict(top_p=-0.1), 400, "top_p"),
    (dict(n=0), 400, "n"),
    (dict(max_tokens=0), 400, "max_tokens"),
    (dict(max_tokens=100000), 400, "4096"),
    (dict(messages=[{"role": "user", "content": "a " * 5000}]), 400, "4096"),
    (dict(messages=[{"role": "wizard", "content": "a"}]), 400, "role"),
    (dict(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]), 400, "image_url"),
    (dict(stop=[1]), 400, "stop"),
    (dict(seed="x"), 400, "seed"),
    (dict(top_logprobs=50, logprobs=True), 400, "top_logprobs"),
    (dict(tool_choice="required"), 400, "tool_choice"),
    (dict(response_format={"type": "xml"}), 400, "response_format.type"),
])
def test_bad_requests_get_openais_error(client, model, change, status, needle):
    request = dict(model=model, messages=[{"role": "user", "content": "Hi"}]) | change
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(**request)
    assert refused.value.status_code == status
    error = refused.value.response.json()["error"]
    assert needle in error["message"] or needle == error["param"]
    assert {"message", "type", "param", "code"} <= set(error)
