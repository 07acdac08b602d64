"""Messages through the anthropic package, as applications use it; the chat endpoint says what must come out."""
import anthropic
import pytest

from test_chat import WEATHER

TOOL = {"name": WEATHER["function"]["name"], "description": WEATHER["function"]["description"], "input_schema": WEATHER["function"]["parameters"]}


@pytest.fixture(scope="session")
def messages(server):
    return anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0, timeout=60).messages


def asked(model, content, **rest):
    return dict(model=model, messages=[{"role": "user", "content": content}], **rest)


def greedy(model, content, **rest):
    """The package has no argument for the temperature any more."""
    return asked(model, content, max_tokens=200, **rest) | {"extra_body": {"temperature": 0}}


def streamed(api, **request):
    with api.stream(**request) as stream:
        return stream.get_final_message()


@pytest.mark.parametrize("thinking", [False, True])
def test_answers_are_those_of_the_chat_endpoint(messages, client, model, thinking):
    chat = client.chat.completions.create(**asked(model, "Capital of Japan?"), max_tokens=200, temperature=0,
                                          extra_body={"chat_template_kwargs": {"thinking": thinking}})
    wanted = {"type": "enabled", "budget_tokens": 100} if thinking else {"type": "disabled"}
    whole = messages.create(**greedy(model, "Capital of Japan?", thinking=wanted))
    assert whole.stop_reason == "end_turn" and whole.role == "assistant" and whole.id.startswith("msg_")
    assert "".join(b.text for b in whole.content if b.type == "text") == chat.choices[0].message.content
    assert [b.thinking for b in whole.content if b.type == "thinking"] == ([chat.choices[0].message.reasoning_content] if thinking else [])
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (chat.usage.prompt_tokens, chat.usage.completion_tokens)
    stream = streamed(messages, **greedy(model, "Capital of Japan?", thinking=wanted))
    assert stream.content == whole.content and stream.usage == whole.usage and stream.stop_reason == whole.stop_reason


def test_tools_are_used_and_their_results_go_back(messages, client, model):
    question = "What is the weather in Lima?"
    first = messages.create(**greedy(model, question, tools=[TOOL]))
    assert first.stop_reason == "tool_use"
    use = next(b for b in first.content if b.type == "tool_use")
    assert (use.name, use.input) == ("get_weather", {"city": "Lima"})
    again = streamed(messages, **greedy(model, question, tools=[TOOL]))
    assert [(b.type, getattr(b, "input", None)) for b in again.content] == [(b.type, getattr(b, "input", None)) for b in first.content]

    result = '{"temperature": 21, "sky": "clear"}'
    second = messages.create(**greedy(model, question, tools=[TOOL]) | {"messages": [
        {"role": "user", "content": question}, {"role": "assistant", "content": first.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": result}]}]})
    chat = dict(model=model, temperature=0, tools=[WEATHER], max_tokens=200)
    message = client.chat.completions.create(**chat | asked(model, question)).choices[0].message
    answer = client.chat.completions.create(**chat, messages=[
        {"role": "user", "content": question}, message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": result}])
    assert "".join(b.text for b in second.content if b.type == "text") == answer.choices[0].message.content
    assert second.usage.input_tokens == answer.usage.prompt_tokens


def test_why_an_answer_stops(messages, model):
    count = greedy(model, "Count from 1 to 100.")
    stopped = messages.create(**count, stop_sequences=[" 7,"])
    assert (stopped.stop_reason, stopped.stop_sequence, stopped.content[0].text) == ("stop_sequence", " 7,", "1, 2, 3, 4, 5, 6,")
    cut = messages.create(**count | {"max_tokens": 3})
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 3)


def test_systems_and_blocks(messages, client, model):
    chat = client.chat.completions.create(model=model, temperature=0, max_tokens=20, messages=[
        {"role": "system", "content": "Be brief.\nBe kind."}, {"role": "user", "content": "Hi\nthere"}])
    blocks = messages.create(model=model, max_tokens=20, extra_body={"temperature": 0},
                             system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "Be kind."}],
                             messages=[{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}]}])
    assert "".join(b.text for b in blocks.content) == chat.choices[0].message.content
    assert blocks.usage.input_tokens == chat.usage.prompt_tokens


def test_tokens_are_counted(messages, model):
    request = asked(model, "What is the weather in Lima?", tools=[TOOL], system="Be brief.")
    assert messages.count_tokens(**request).input_tokens == messages.create(**request, max_tokens=1).usage.input_tokens
    with pytest.raises(anthropic.BadRequestError):
        messages.count_tokens(**asked(model, "a " * 500000))


def test_refusals(messages, model):
    with pytest.raises(anthropic.NotFoundError) as unknown:
        messages.create(**greedy("claude", "Hi"))
    assert unknown.value.body["error"]["type"] == "not_found_error"
    assert unknown.value.request_id == unknown.value.body["request_id"]
    with pytest.raises(anthropic.BadRequestError) as image:
        messages.create(**greedy(model, [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "eA=="}}]))
    assert "image" in image.value.body["error"]["message"]
    with pytest.raises(anthropic.BadRequestError):
        streamed(messages, **greedy(model, "a " * 5000))
