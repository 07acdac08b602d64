"""Ollama's API through the ollama package, as applications use it; the chat endpoint says what must come out."""
import json

import ollama
import pytest

from test_chat import WEATHER

# The package sends a schema's fields in this order, whatever theirs was.
SENT = {"type": "function", "function": WEATHER["function"] | {"parameters": {
    key: WEATHER["function"]["parameters"][key] for key in ("type", "required", "properties")}}}
OPTIONS = {"temperature": 0, "num_predict": 200}


@pytest.fixture(scope="session")
def local(server):
    return ollama.Client(host=server.url, timeout=60)


def asked(model, content, **rest):
    return dict(model=model, messages=[{"role": "user", "content": content}], **rest)


def joined(stream, field):
    return "".join(getattr(part.message if hasattr(part, "message") else part, field) or "" for part in stream)


@pytest.mark.parametrize("think", [False, True])
def test_answers_are_those_of_the_chat_endpoint(local, client, model, think):
    chat = client.chat.completions.create(**asked(model, "Capital of Japan?"), max_tokens=200, temperature=0,
                                          extra_body={"chat_template_kwargs": {"thinking": think}})
    message = chat.choices[0].message
    whole = local.chat(**asked(model + ":latest", "Capital of Japan?"), think=think, options=OPTIONS)
    assert (whole.message.content, whole.message.thinking) == (message.content, message.reasoning_content)
    assert (whole.done, whole.done_reason) == (True, "stop")
    assert (whole.prompt_eval_count, whole.eval_count) == (chat.usage.prompt_tokens, chat.usage.completion_tokens)
    assert 0 < whole.prompt_eval_duration + whole.eval_duration <= whole.total_duration
    stream = list(local.chat(**asked(model, "Capital of Japan?"), think=think, options=OPTIONS, stream=True))
    assert joined(stream, "content") == message.content and joined(stream, "thinking") == (message.reasoning_content or "")
    assert [part.done for part in stream] == [False] * (len(stream) - 1) + [True]
    assert stream[-1].eval_count == whole.eval_count


def test_plain_prompts(local, client, model):
    chat = client.chat.completions.create(model=model, temperature=0, max_tokens=20, messages=[
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital of Peru?"}])
    request = dict(model=model, prompt="Capital of Peru?", system="Be brief.", options={"temperature": 0, "num_predict": 20})
    whole = local.generate(**request)
    assert whole.response == chat.choices[0].message.content and whole.prompt_eval_count == chat.usage.prompt_tokens
    assert joined(local.generate(**request, stream=True), "response") == whole.response
    plain = client.completions.create(model=model, prompt="The capital of", temperature=0, max_tokens=5)
    raw = local.generate(model=model, prompt="The capital of", raw=True, options={"temperature": 0, "num_predict": 5})
    assert (raw.response, raw.done_reason) == (plain.choices[0].text, plain.choices[0].finish_reason)


def test_tools_are_called_and_their_results_go_back(local, client, model):
    question, result = "What is the weather in Lima?", '{"temperature": 21, "sky": "clear"}'
    first = local.chat(**asked(model, question), tools=[WEATHER], options=OPTIONS)
    call = first.message.tool_calls[0].function
    assert (call.name, call.arguments) == ("get_weather", {"city": "Lima"})
    stream = list(local.chat(**asked(model, question), tools=[WEATHER], options=OPTIONS, stream=True))
    assert [c.function for part in stream for c in part.message.tool_calls or []] == [call]
    second = local.chat(model=model, tools=[WEATHER], options=OPTIONS, messages=[
        {"role": "user", "content": question}, first.message, {"role": "tool", "tool_name": "get_weather", "content": result}])
    chat = dict(model=model, temperature=0, tools=[SENT], max_tokens=200)
    message = client.chat.completions.create(**chat | asked(model, question)).choices[0].message
    answer = client.chat.completions.create(**chat, messages=[
        {"role": "user", "content": question}, message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": result}])
    assert second.message.content == answer.choices[0].message.content
    assert (second.prompt_eval_count, second.eval_count) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)


def test_answers_have_the_form_that_is_asked_for(local, client, model):
    schema = {"type": "object", "properties": {"city": {"enum": ["Lima", "Tokyo"]}}, "required": ["city"], "additionalProperties": False}
    chat = client.chat.completions.create(**asked(model, "Capital of Japan?"), temperature=0, max_tokens=200, response_format={
        "type": "json_schema", "json_schema": {"name": "city", "schema": schema}})
    whole = local.chat(**asked(model, "Capital of Japan?"), format=schema, options=OPTIONS)
    assert whole.message.content == chat.choices[0].message.content and json.loads(whole.message.content)["city"] in ("Lima", "Tokyo")
    anything = local.generate(model=model, prompt="Capital of Japan?", format="json", options=OPTIONS)
    assert anything.response.lstrip().startswith("{")


def test_logprobs_are_those_of_the_chat_endpoint(local, client, model):
    chat = client.chat.completions.create(**asked(model, "Capital of Japan?"), temperature=0, max_tokens=20, logprobs=True, top_logprobs=2)
    expected = [(each.token, each.logprob, [(top.token, top.logprob) for top in each.top_logprobs]) for each in chat.choices[0].logprobs.content]
    request = dict(**asked(model, "Capital of Japan?"), logprobs=True, top_logprobs=2, options=OPTIONS | {"num_predict": 20})
    told = lambda answers: [(each.token, each.logprob, [(top.token, top.logprob) for top in each.top_logprobs])
                            for answer in answers for each in answer.logprobs or []]
    assert told([local.chat(**request)]) == told(local.chat(**request, stream=True)) == expected


def test_models(local, model):
    listed = local.list().models[0]
    assert listed.model == model + ":latest" and listed.size > 1 << 20
    shown = local.show(listed.model)
    assert shown.modelinfo[shown.modelinfo["general.architecture"] + ".context_length"] == 4096
    assert shown.capabilities == ["completion", "tools", "thinking"]
    assert local.ps().models[0].model == listed.model
    assert local.chat(model=listed.model, messages=[]).done_reason == "load"
    assert local.generate(model=listed.model, prompt="", keep_alive="5m").done_reason == "load"
    assert local.generate(model=listed.model, prompt="", keep_alive=0).done_reason == "unload"


@pytest.mark.parametrize("change, status, needle", [
    (dict(model="llama3.2"), 404, "llama3.2"),
    (dict(options={"temperature": -1}), 400, "temperature"),
    (dict(messages=[{"role": "wizard", "content": "a"}]), 400, "role"),
    (dict(messages=[{"role": "user", "content": "a " * 5000}]), 400, "4096"),
    (dict(messages=[{"role": "user", "content": "a " * 5000}], stream=True), 400, "4096"),
])
def test_refusals(local, model, change, status, needle):
    with pytest.raises(ollama.ResponseError) as refused:
        list(local.chat(**asked(model, "Hi") | change))
    assert refused.value.status_code == status and needle in refused.value.error


def test_there_are_no_embeddings(local, model):
    with pytest.raises(ollama.ResponseError) as refused:
        local.embed(model=model, input="a")
    assert refused.value.status_code == 400
