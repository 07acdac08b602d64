"""Answers that must keep a grammar: the demo model writes them, and other implementations judge them."""
import concurrent.futures
import json
import pathlib
import re

import jsonschema
import openai
import pytest

SCHEMAS = json.loads((pathlib.Path(__file__).parent.parent / "data" / "grammar" / "schemas.json").read_text())
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]}}}
    for name in ("get_weather", "get_time")]


def ask(client, model, **fields):
    return client.chat.completions.create(
        model=model, **(dict(messages=[{"role": "user", "content": "Good day!"}], temperature=0, max_tokens=200) | fields)).choices[0]


def as_schema(schema):
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


def test_every_answer_that_ended_by_itself_is_valid(client, model):
    def judge(schema):
        choice = ask(client, model, response_format=as_schema(schema), temperature=0.8, seed=7)
        if choice.finish_reason == "stop":
            jsonschema.validate(json.loads(choice.message.content), schema, jsonschema.Draft202012Validator)
        return choice.finish_reason

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        ends = list(pool.map(judge, [each["schema"] for each in SCHEMAS]))
    assert len(ends) >= 200
    assert ends.count("stop") >= 100


def test_the_other_ways(client, model):
    regex = ask(client, model, extra_body={"structured_outputs": {"regex": "[a-f]{3}-[0-9]{2}"}})
    assert re.fullmatch("[a-f]{3}-[0-9]{2}", regex.message.content)
    choice = ask(client, model, extra_body={"guided_choice": ["owl", "fox"]})
    assert choice.message.content in ("owl", "fox")
    grammar = ask(client, model, extra_body={"structured_outputs": {"grammar": 'root ::= "yes" | "no"'}})
    assert grammar.message.content in ("yes", "no")
    answer = ask(client, model, response_format={"type": "json_object"}, extra_body={"bad_words": [", "]}, max_tokens=400, temperature=1, seed=3)
    assert answer.message.content.startswith("{")
    assert answer.finish_reason == "length" or isinstance(json.loads(answer.message.content), dict)


def test_forced_tools(client, model):
    named = ask(client, model, tools=TOOLS, tool_choice={"type": "function", "function": {"name": "get_time"}})
    assert named.finish_reason == "stop"  # as OpenAI has it: whoever names the call knows of it
    assert [call.function.name for call in named.message.tool_calls] == ["get_time"]
    assert set(json.loads(named.message.tool_calls[0].function.arguments)) == {"city"}
    required = ask(client, model, tools=TOOLS, tool_choice="required", parallel_tool_calls=False)
    assert required.finish_reason == "tool_calls" and len(required.message.tool_calls) == 1


def test_calls_in_the_older_words(client, model):
    older = dict(functions=[tool["function"] for tool in TOOLS], function_call={"name": "get_time"})
    whole = ask(client, model, **older)
    assert whole.finish_reason == "stop" and not whole.message.tool_calls
    assert whole.message.function_call.name == "get_time"
    fields = dict(messages=[{"role": "user", "content": "Good day!"}], temperature=0, max_tokens=200, **older)
    calls = [part.choices[0].delta.function_call for part in client.chat.completions.create(model=model, stream=True, **fields)]
    assert "".join(call.arguments for call in calls if call) == whole.message.function_call.arguments


def test_calls_of_strict_tools(client, model):
    tool = {"type": "function", "function": {"name": "get_weather", "description": "Get the weather in a city", "strict": True, "parameters": {
        "type": "object", "properties": {"town": {"enum": ["Lima", "Oslo"]}, "unit": {"const": "C"}},
        "required": ["town", "unit"], "additionalProperties": False}}}
    asked = dict(messages=[{"role": "user", "content": "What is the weather in Lima?"}], tools=[tool])
    choice = ask(client, model, **asked)
    assert choice.finish_reason == "tool_calls"
    for call in choice.message.tool_calls:  # in words that the model would not have found
        assert json.loads(call.function.arguments) in ({"town": "Lima", "unit": "C"}, {"town": "Oslo", "unit": "C"})
    without = ask(client, model, **(asked | dict(messages=[{"role": "user", "content": "Good day!"}])))
    assert without.finish_reason == "stop" and without.message.content and not without.message.tool_calls
    tool["function"]["parameters"]["properties"]["town"] = {"type": "wrong"}
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, model, **asked)
    assert "town" in str(refused.value)


def test_thinking_comes_first(client, model):
    choice = ask(client, model, response_format=as_schema({"enum": ["owl", "fox"]}), messages=[{"role": "user", "content": "Solve 17 * 23"}],
                 extra_body={"chat_template_kwargs": {"thinking": True}, "thinking_token_budget": 20})
    assert choice.message.reasoning_content
    assert json.loads(choice.message.content) in ("owl", "fox")


def test_a_stream_says_the_same(client, model):
    whole = ask(client, model, response_format=as_schema(SCHEMAS[0]["schema"]))
    fields = dict(messages=[{"role": "user", "content": "Good day!"}], temperature=0, max_tokens=200, response_format=as_schema(SCHEMAS[0]["schema"]))
    parts = client.chat.completions.create(model=model, stream=True, **fields)
    assert "".join(part.choices[0].delta.content or "" for part in parts) == whole.message.content


@pytest.mark.parametrize("fields, place", [
    (dict(response_format=as_schema({"type": "wrong"})), "type"),
    (dict(extra_body={"structured_outputs": {"regex": "(a"}}), "Regex"),
    (dict(extra_body={"structured_outputs": {"grammar": "root ::= missing"}}), ""),
    (dict(response_format=as_schema({"type": "string", "maxLength": 10**9 + 1})), "maxLength"),
    (dict(response_format=as_schema({"anyOf": [{"const": i} for i in range(10_000)]})), ""),
    (dict(extra_body={"structured_outputs": {"regex": "((a{1,1000}){1,1000}){1,1000}"}}), ""),
])
def test_what_cannot_be_held_is_refused(client, model, fields, place):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, model, **fields)
    assert place in str(refused.value)
    assert ask(client, model, max_tokens=4).message.content  # others are served


def test_penalties_and_biases(client, model):
    def text(**fields):
        return ask(client, model, messages=[{"role": "user", "content": "Count from 1 to 10."}], **fields).message.content

    plain = text()
    assert text(extra_body={"repetition_penalty": 1.0}) == plain
    assert text(frequency_penalty=2, presence_penalty=2) != plain
    assert "1" not in text(extra_body={"bad_words": ["1"]}).split()
    allowed = client.completions.create(model=model, prompt="a", max_tokens=5, extra_body={"allowed_token_ids": [40], "return_token_ids": True})
    assert allowed.choices[0].token_ids == [40] * 5


def test_logprobs_of_a_prompt(client, model):
    echo = client.completions.create(model=model, prompt="The capital of France", max_tokens=0, echo=True, logprobs=1).choices[0]
    assert echo.text == "The capital of France"
    assert echo.logprobs.token_logprobs[0] is None and all(each <= 0 for each in echo.logprobs.token_logprobs[1:])
    assert echo.logprobs.text_offset[0] == 0 and len(echo.logprobs.tokens) == len(echo.logprobs.token_logprobs)
