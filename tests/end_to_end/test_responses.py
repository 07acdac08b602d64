"""OpenAI's responses through the openai package, and what must equal the chat endpoint's answers."""
import json

import openai
import pytest

from conftest import GOLDENS

WEATHER = {"type": "function", "name": "get_weather", "description": "Get the weather in a city", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}


def chat_message(client, model, **request):
    return client.chat.completions.create(model=model, temperature=0, **request).choices[0].message


def test_text_is_that_of_a_chat(client, model):
    message = chat_message(client, model, messages=[{"role": "user", "content": "Solve 17 * 23"}])
    whole = client.responses.create(model=model, input="Solve 17 * 23", temperature=0)
    assert whole.output_text == message.content
    assert (whole.status, whole.usage.input_tokens) == ("completed", 12)
    events = list(client.responses.create(model=model, input="Solve 17 * 23", temperature=0, stream=True))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == message.content
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert [events[0].type, events[1].type, events[-1].type] == ["response.created", "response.in_progress", "response.completed"]
    last = events[-1].response
    assert last.output_text == message.content and last.usage == whole.usage


def test_the_packages_own_stream_of_items(client, model):
    with client.responses.stream(model=model, input="Who are you?", temperature=0) as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    assert final.output_text == chat_message(client, model, messages=[{"role": "user", "content": "Who are you?"}]).content


def test_thoughts_are_an_item(client, model):
    thinking = {"chat_template_kwargs": {"thinking": True}}
    message = chat_message(client, model, messages=[{"role": "user", "content": "Capital of Japan?"}], extra_body=thinking)
    request = dict(model=model, input="Capital of Japan?", temperature=0, extra_body=thinking)
    whole = client.responses.create(**request)
    assert [item.type for item in whole.output] == ["reasoning", "message"]
    assert whole.output[0].content[0].text == message.reasoning_content
    assert whole.output_text == message.content
    summary = client.responses.create(**request, reasoning={"summary": "auto"}, stream=True)
    assert "".join(e.delta for e in summary if e.type == "response.reasoning_summary_text.delta") == message.reasoning_content


def test_a_tool_is_called_and_its_answer_goes_back(client, model):
    asked = [{"role": "user", "content": "What is the weather in Lima?"}]
    request = dict(model=model, tools=[WEATHER], temperature=0)
    whole = client.responses.create(input=asked, **request)
    call = whole.output[-1]
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "get_weather", {"city": "Lima"})
    events = list(client.responses.create(input=asked, stream=True, **request))
    assert "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta") == call.arguments
    answered = asked + [item.model_dump(exclude_none=True) for item in whole.output] + [
        {"type": "function_call_output", "call_id": call.call_id, "output": '{"temperature": 21, "sky": "clear"}'}]
    tool = {"type": "function", "function": {key: WEATHER[key] for key in ("name", "description", "parameters")}}
    message = chat_message(client, model, tools=[tool], messages=asked + [
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}]},
        {"role": "tool", "tool_call_id": call.call_id, "content": '{"temperature": 21, "sky": "clear"}'}])
    assert client.responses.create(input=answered, **request).output_text == message.content != ""


def test_structured_text(client, model):
    schema = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"], "additionalProperties": False}
    whole = client.responses.create(model=model, input="Solve 2 + 2", temperature=0, max_output_tokens=60, text={
        "format": {"type": "json_schema", "name": "sum", "schema": schema, "strict": True}})
    assert whole.status == "completed" and isinstance(json.loads(whole.output_text)["answer"], int)


def test_an_answer_that_is_cut(client, model):
    whole = client.responses.create(model=model, input="Count from 1 to 100.", temperature=0, max_output_tokens=5)
    assert (whole.status, whole.incomplete_details.reason, whole.usage.output_tokens) == ("incomplete", "max_output_tokens", 5)


def test_refused_by_name(client, model):
    for field, value in [("previous_response_id", "resp_1"), ("conversation", "conv_1"), ("background", True)]:
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(model=model, input="a", **{field: value})
        assert refused.value.param == field
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model=model, input="a")


def test_langchain(server, client, model):
    from langchain_openai import ChatOpenAI
    expected = chat_message(client, model, messages=[{"role": "user", "content": "Who are you?"}]).content
    for responses in (False, True):
        chat = ChatOpenAI(base_url=server.url + "/v1", api_key="none", model=model, temperature=0, use_responses_api=responses)
        assert chat.invoke("Who are you?").text == expected
        assert "".join(chunk.text for chunk in chat.stream("Who are you?")) == expected


def test_litellm(server, client, model):
    import litellm
    where = dict(model="openai/" + model, api_base=server.url + "/v1", api_key="none", temperature=0)
    asked = [{"role": "user", "content": "Who are you?"}]
    expected = chat_message(client, model, messages=asked).content
    assert litellm.completion(messages=asked, **where).choices[0].message.content == expected
    assert "".join(c.choices[0].delta.content or "" for c in litellm.completion(messages=asked, stream=True, **where)) == expected
    assert litellm.responses(input="Who are you?", **where).output[0].content[0].text == expected


def test_tokens_of_goldens(server):
    """What /tokenize says of a chat are the tokens that the reference tokenizer made of it."""
    def post(path, body):
        return json.loads(server.post(path, body))
    for golden in GOLDENS:
        told = post("/tokenize", {"messages": golden["messages"], "tools": golden["tools"], "chat_template_kwargs": {"thinking": golden["thinking"]},
                                  "return_token_strs": True})
        assert told["tokens"] == golden["prompt_ids"] and len(told["token_strs"]) == told["count"]
        assert post("/detokenize", {"tokens": told["tokens"]})["prompt"] == golden["prompt"]
        assert post("/tokenize", {"prompt": golden["prompt"], "add_special_tokens": False})["tokens"] == golden["prompt_ids"]
