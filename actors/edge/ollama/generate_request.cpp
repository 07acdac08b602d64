#include "actors/edge/ollama/generation_options.hpp"
#include "actors/edge/ollama/requests.hpp"

namespace troupe::actors::edge::ollama {
namespace {

void refuse_unsupported(RequestFields& fields) {
  refuse_images(fields);
  if (const auto suffix = fields.text("suffix"); suffix && !suffix->empty())
    fields.unsupported("suffix", "the model does not fill in the middle.");
  if (const auto text = fields.text("template"); text && !text->empty())
    fields.unsupported("template", "prompts are put into the model's own; send 'raw' to have none.");
  if (const Json* context = fields.find("context"); context && *context != Json::array())
    fields.unsupported("context", "send the conversation's messages to /api/chat.");
}

// A raw prompt is put into no template.
void refuse_beside_raw(RequestFields& fields, const std::string& system, const runtime::ChatPrompt& prompt) {
  if (!system.empty()) fields.unsupported("system", "a raw prompt has it in its text.");
  if (prompt.thinking.value_or(false))
    fields.unsupported("think", "a raw prompt begins the thoughts itself.");
}

}  // namespace

Expected<ApiRequest> parse_generate_request(const Json& body, const ModelInfo& model,
                                            const config::RequestLimits& limits) {
  ApiRequest request;
  RequestFields fields(body);
  read_generation_options(fields, model, limits, false, request);
  refuse_unsupported(fields);
  const std::string text = fields.text("prompt").value_or(""), system = fields.text("system").value_or("");
  const bool raw = fields.boolean("raw", false);
  runtime::ChatPrompt prompt;
  prompt.messages = Json::array();
  prompt.template_kwargs = Json::object();
  read_think(fields, model, prompt);
  if (raw) refuse_beside_raw(fields, system, prompt);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  if (text.empty()) return request;
  if (raw) {
    request.generation.prompts.emplace_back(text);
    return request;
  }
  if (!system.empty()) prompt.messages.push_back({{"role", "system"}, {"content", system}});
  prompt.messages.push_back({{"role", "user"}, {"content", text}});
  request.generation.prompts.emplace_back(std::move(prompt));
  return request;
}

}  // namespace troupe::actors::edge::ollama
