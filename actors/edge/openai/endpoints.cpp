#include "actors/edge/openai/endpoints.hpp"

#include <algorithm>
#include <array>

#include "actors/edge/callers/callers.hpp"
#include "actors/edge/generation_fields.hpp"

namespace troupe::actors::edge::openai {
namespace {

constexpr const char* chat_example = R"({"model": "", "messages": [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "What is the weather in Lima?"}]},
    {"role": "assistant", "reasoning_content": "A tool knows.", "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\": \"Lima\"}"}}]},
    {"role": "tool", "tool_call_id": "call_1", "content": "Sunny."}],
  "tools": [{"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters": {
      "type": "object", "properties": {"city": {"type": "string"}}}}}],
  "tool_choice": "auto", "max_completion_tokens": 16, "temperature": 0, "seed": 1, "logprobs": true, "top_logprobs": 1,
  "stop": ["END"], "response_format": {"type": "text"}, "chat_template_kwargs": {}})";

constexpr const char* completion_example =
    R"({"model": "", "prompt": "Once upon a time", "max_tokens": 16, "temperature": 0, "seed": 1, "logprobs": 1,
  "stop": ["END"]})";

constexpr const char* response_example = R"({"model": "", "instructions": "Be brief.", "input": [
    {"role": "user", "content": [{"type": "input_text", "text": "What is the weather in Lima?"}]},
    {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "A tool knows."}]},
    {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{\"city\": \"Lima\"}"},
    {"type": "function_call_output", "call_id": "call_1", "output": "Sunny."}],
  "tools": [{"type": "function", "name": "weather", "description": "Of a city.", "parameters": {
      "type": "object", "properties": {"city": {"type": "string"}}}}],
  "tool_choice": "auto", "max_output_tokens": 16, "temperature": 0, "seed": 1, "reasoning": {"summary": "auto"},
  "text": {"format": {"type": "text"}}, "include": ["message.output_text.logprobs"], "metadata": {"a": "b"}})";

Json model_object(const ModelInfo& model, const std::string& name) {
  return {{"id", name},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "troupe"},
          {"root", model.root},
          {"parent", nullptr},
          {"max_model_len", model.max_model_len}};
}

Reply models_page(const PageRequest& request) {
  const ModelInfo model = model_of_caller(request.service.model(), request.caller);
  Json data = Json::array();
  for (const std::string& name : model.names) data.push_back(model_object(model, name));
  return json_reply(200, {{"object", "list"}, {"data", std::move(data)}});
}

Reply model_page(const PageRequest& request) {
  const ModelInfo model = model_of_caller(request.service.model(), request.caller);
  const std::string name(request.argument);
  if (std::ranges::find(model.names, name) != model.names.end())
    return json_reply(200, model_object(model, name));
  return refusal_reply({RefusalKind::not_found, "There is no model of this name; see /v1/models.", "model",
                        "model_not_found"});
}

Reply embeddings_page(const PageRequest& request) {
  const auto& limits = request.settings.request;
  const auto read = parse_body(request.body, limits).and_then([&](const Json& body) -> Expected<void> {
    RequestFields fields(body);
    read_model(fields, model_of_caller(request.service.model(), request.caller), limits);
    if (!fields.find("input")) fields.missing("input");
    fields.invalid("model", "It generates text and has no embeddings.", "model_not_supported");
    return tl::unexpected(*fields.refusal());
  });
  return refusal_reply(read.error());
}

}  // namespace

std::span<const Endpoint> endpoints() {
  static constexpr std::array table{
      Endpoint{.path = "/v1/chat/completions",
               .allow = post_only,
               .generation = parse_chat_request,
               .about = "The next message of a chat.",
               .example = chat_example},
      Endpoint{.path = "/v1/completions",
               .allow = post_only,
               .generation = parse_completion_request,
               .about = "How a text goes on.",
               .example = completion_example},
      Endpoint{.path = "/v1/responses",
               .allow = post_only,
               .generation = parse_response_request,
               .about = "The answer to a list of items; nothing is stored.",
               .example = response_example},
      Endpoint{.path = "/v1/embeddings",
               .allow = post_only,
               .page = embeddings_page,
               .about = "Refused: the model has none.",
               .success = 400},
      Endpoint{.path = "/v1/models", .page = models_page, .about = "The names of the model."},
      Endpoint{.path = "/v1/models/{id}", .page = model_page, .about = "The model of a name."},
  };
  return table;
}

}  // namespace troupe::actors::edge::openai
