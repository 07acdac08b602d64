#include "actors/edge/ollama/endpoints.hpp"

#include <array>

#include "actors/edge/ollama/answer.hpp"
#include "actors/edge/ollama/model_pages.hpp"
#include "actors/edge/ollama/requests.hpp"

namespace troupe::actors::edge::ollama {
namespace {

constexpr const char* chat_example = R"({"model": "", "messages": [
    {"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the weather in Lima?"},
    {"role": "assistant", "content": "", "thinking": "A tool knows.", "tool_calls": [
        {"id": "call_1", "function": {"name": "weather", "arguments": {"city": "Lima"}}}]},
    {"role": "tool", "tool_name": "weather", "content": "Sunny."}],
  "tools": [{"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters": {
      "type": "object", "properties": {"city": {"type": "string"}}}}}],
  "stream": false, "think": false, "keep_alive": "5m", "options": {"num_predict": 16, "temperature": 0, "seed": 1, "stop": ["END"]}})";

constexpr const char* generate_example =
    R"({"model": "", "prompt": "What is the weather in Lima?", "system": "Be brief.",
  "raw": false, "stream": false, "think": false, "keep_alive": "5m",
  "options": {"num_predict": 16, "temperature": 0, "seed": 1, "stop": ["END"]}})";

constexpr Endpoint no_other_model(std::string_view path, std::string_view allow) {
  return {.path = path,
          .allow = allow,
          .page = no_other_model_page,
          .refusal = refusal_reply,
          .about = "Refused: the server has one model.",
          .success = 404};
}

}  // namespace

std::span<const Endpoint> endpoints() {
  static constexpr std::array table{
      Endpoint{.path = "/",
               .key = KeyClass::none,
               .watches = true,
               .page = running_page,
               .refusal = refusal_reply,
               .about = "A sentence that Ollama's clients look for; to browsers, the status page.",
               .produces = "text/plain"},
      Endpoint{.path = "/api/chat",
               .allow = post_only,
               .generation = parse_chat_request,
               .refusal = refusal_reply,
               .about = "The answer to a conversation.",
               .example = chat_example},
      Endpoint{.path = "/api/generate",
               .allow = post_only,
               .generation = parse_generate_request,
               .refusal = refusal_reply,
               .about = "The answer to a prompt.",
               .example = generate_example},
      Endpoint{.path = "/api/tags",
               .page = tags_page,
               .refusal = refusal_reply,
               .about = "The names of the model."},
      Endpoint{.path = "/api/show",
               .allow = post_only,
               .page = show_page,
               .refusal = refusal_reply,
               .about = "What the model can do."},
      Endpoint{.path = "/api/ps",
               .page = ps_page,
               .refusal = refusal_reply,
               .about = "The model, once it is loaded."},
      Endpoint{.path = "/api/version",
               .page = version_page,
               .refusal = refusal_reply,
               .about = "Of Ollama, whose API this is."},
      Endpoint{.path = "/api/embed",
               .allow = post_only,
               .page = embed_page,
               .refusal = refusal_reply,
               .about = "Refused: the model has none.",
               .success = 400},
      Endpoint{.path = "/api/embeddings",
               .allow = post_only,
               .page = embed_page,
               .refusal = refusal_reply,
               .about = "Refused: the model has none.",
               .success = 400},
      no_other_model("/api/pull", post_only),
      no_other_model("/api/push", post_only),
      no_other_model("/api/create", post_only),
      no_other_model("/api/copy", post_only),
      no_other_model("/api/delete", delete_only),
  };
  return table;
}

}  // namespace troupe::actors::edge::ollama
