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

constexpr Endpoint generation(std::string_view path, ParseRequest parse, const char* about,
                              const char* example) {
  return {.path = path,
          .allow = post_only,
          .generation = parse,
          .refusal = refusal_reply,
          .about = about,
          .example = example};
}

constexpr Endpoint page(std::string_view path, Page answer, const char* about,
                        std::string_view allow = read_only) {
  return {.path = path, .allow = allow, .page = answer, .refusal = refusal_reply, .about = about};
}

constexpr Endpoint no_embeddings(std::string_view path) {
  Endpoint refused = page(path, embed_page, "Refused: the model has none.", post_only);
  refused.success = 400;
  return refused;
}

constexpr Endpoint no_other_model(std::string_view path, std::string_view allow) {
  Endpoint refused = page(path, no_other_model_page, "Refused: the server has one model.", allow);
  refused.success = 404;
  return refused;
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
      generation("/api/chat", parse_chat_request, "The answer to a conversation.", chat_example),
      generation("/api/generate", parse_generate_request, "The answer to a prompt.", generate_example),
      page("/api/tags", tags_page, "The names of the model."),
      page("/api/show", show_page, "What the model can do.", post_only),
      page("/api/ps", ps_page, "The model, once it is loaded."),
      page("/api/version", version_page, "Of Ollama, whose API this is."),
      no_embeddings("/api/embed"),
      no_embeddings("/api/embeddings"),
      no_other_model("/api/pull", post_only),
      no_other_model("/api/push", post_only),
      no_other_model("/api/create", post_only),
      no_other_model("/api/copy", post_only),
      no_other_model("/api/delete", delete_only),
  };
  return table;
}

}  // namespace troupe::actors::edge::ollama
