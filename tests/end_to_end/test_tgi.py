"""TGI's API through huggingface_hub, as its clients use it."""
import json

from huggingface_hub import InferenceClient

from conftest import GOLDENS


def test_texts_go_on_as_in_a_completion(server, client, model):
    prompt = GOLDENS[0]["prompt"]
    expected = client.completions.create(model=model, prompt=prompt, temperature=0, max_tokens=30).choices[0].text
    tgi = InferenceClient(model=server.url)
    assert tgi.text_generation(prompt, max_new_tokens=30) == expected
    whole = tgi.text_generation(prompt, max_new_tokens=30, details=True, decoder_input_details=True)
    assert whole.generated_text == "".join(t.text for t in whole.details.tokens) == expected
    assert (whole.details.finish_reason, whole.details.generated_tokens) == ("length", 30)
    assert [t.id for t in whole.details.prefill] == GOLDENS[0]["prompt_ids"]
    parts = list(tgi.text_generation(prompt, max_new_tokens=30, details=True, stream=True))
    assert "".join(p.token.text for p in parts) == parts[-1].generated_text == expected
    assert parts[-1].details.generated_tokens == len(parts) == 30


def test_the_end_is_a_special_token(server):
    golden = GOLDENS[0]
    tgi = InferenceClient(model=server.url)  # closes its streams when it goes
    parts = list(tgi.text_generation(golden["prompt"], max_new_tokens=200, details=True, stream=True))
    assert [p.token.id for p in parts] == golden["output_ids"]
    assert [p.token.special for p in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[-1].details.finish_reason == "eos_token"


def test_paths_of_their_own(server):
    body = {"inputs": "The capital of", "parameters": {"max_new_tokens": 3}}
    whole = json.loads(server.post("/generate", body))["generated_text"]
    assert json.loads(server.post("/", body)) == [{"generated_text": whole}]
    lines = [line for line in server.post("/generate_stream", body).splitlines() if line and not line.startswith("id: ")]
    assert all(line.startswith("data:{") for line in lines) and len(lines) == 3
    assert json.loads(lines[-1].removeprefix("data:"))["generated_text"] == whole
    assert json.loads(server.get("/info"))["max_total_tokens"] > 3
