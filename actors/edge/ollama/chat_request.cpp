#include "actors/edge/chat_messages.hpp"
#include "actors/edge/fields_recording.hpp"
#include "actors/edge/ollama/generation_options.hpp"
#include "actors/edge/ollama/requests.hpp"
#include "actors/edge/tool_arguments.hpp"

namespace troupe::actors::edge::ollama {
namespace {

// In OpenAI's form.
Json read_tool_call(RequestFields& call, const config::RequestLimits& limits) {
  const Json* function = call.object("function");
  if (!function) call.missing("function");
  if (call.refusal()) return {};
  RequestFields inside(*function, call.param("function") + ".");
  const std::string name = inside.text("name", limits.name_bytes).value_or("");
  if (name.empty()) inside.missing("name");
  const Json* arguments = inside.object("arguments");
  if (!arguments) inside.missing("arguments");
  if (inside.refusal()) {
    call.keep(*inside.refusal());
    return {};
  }
  Json read = {{"type", "function"},
               {"function", {{"name", name}, {"arguments", arguments_text(*arguments)}}}};
  if (const auto id = call.text("id", limits.name_bytes)) read["id"] = *id;
  return read;
}

// In OpenAI's form.
Json read_message(RequestFields& message, const config::RequestLimits& limits) {
  const std::string role = message.needed_text("role");
  const std::string content = message.text("content").value_or("");
  Json calls = Json::array();
  message.each_object("tool_calls", limits.tool_calls,
                      [&](RequestFields& call) { calls.push_back(read_tool_call(call, limits)); });
  refuse_images(message);
  if (role != "system" && role != "user" && role != "assistant" && role != "tool")
    message.invalid("role", "Supported roles are 'system', 'user', 'assistant' and 'tool'.");
  if (!calls.empty() && role != "assistant")
    message.invalid("tool_calls", "Only messages of the assistant may call tools.");
  Json read = {{"role", role}, {"content", content}};
  const auto keep = [&](const char* name, const char* in_ours) {
    if (const auto text = message.text(name)) read[in_ours] = *text;
  };
  keep("thinking", "reasoning_content");
  keep("tool_name", "name");
  keep("tool_call_id", "tool_call_id");
  if (!calls.empty()) read["tool_calls"] = std::move(calls);
  return read;
}

// None: the client wants the model to be loaded.
void read_messages(RequestFields& fields, const config::RequestLimits& limits, runtime::ChatPrompt& prompt) {
  Json messages = Json::array();
  fields.each_object("messages", limits.messages,
                     [&](RequestFields& message) { messages.push_back(read_message(message, limits)); });
  if (fields.refusal() || messages.empty()) return;
  const FieldsRecording::Pause pause;
  auto checked = check_messages(messages, limits);
  if (!checked) return fields.keep(checked.error());
  prompt.messages = std::move(*checked);
  go_on_with_last_of_assistant(prompt);
}

void read_tools(RequestFields& fields, const config::RequestLimits& limits, runtime::ChatPrompt& prompt) {
  const Json* tools = fields.array("tools", limits.tools);
  if (!tools || tools->empty()) return;
  if (auto checked = check_tools(*tools, limits))
    prompt.tools = std::move(*checked);
  else
    fields.keep(checked.error());
}

}  // namespace

Expected<ApiRequest> parse_chat_request(const Json& body, const ModelInfo& model,
                                        const config::RequestLimits& limits) {
  ApiRequest request;
  RequestFields fields(body);
  read_generation_options(fields, model, limits, true, request);
  runtime::ChatPrompt prompt;
  prompt.template_kwargs = Json::object();
  read_messages(fields, limits, prompt);
  read_tools(fields, limits, prompt);
  read_think(fields, model, prompt);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  if (!prompt.messages.empty()) request.generation.prompts.emplace_back(std::move(prompt));
  return request;
}

}  // namespace troupe::actors::edge::ollama
