#include "actors/edge/anthropic/messages_request.hpp"

#include <limits>

#include "actors/edge/anthropic/conversation.hpp"
#include "actors/edge/anthropic/messages_answer.hpp"
#include "actors/edge/chat_messages.hpp"
#include "actors/edge/generation_fields.hpp"

namespace troupe::actors::edge::anthropic {
namespace {

constexpr std::int64_t int32_max = std::numeric_limits<std::int32_t>::max();

// In OpenAI's form.
Json read_tool(RequestFields& tool, const config::RequestLimits& limits) {
  if (tool.text("type").value_or("custom") != "custom")
    tool.unsupported("type", "only tools of type 'custom', which have an 'input_schema', are.");
  const std::string name = tool.text("name", limits.name_bytes).value_or("");
  if (name.empty()) tool.missing("name");
  Json function = {{"name", name}};
  if (const auto description = tool.text("description")) function["description"] = *description;
  if (const Json* schema = tool.object("input_schema"))
    function["parameters"] = *schema;
  else
    tool.missing("input_schema");
  return {{"type", "function"}, {"function", std::move(function)}};
}

void read_tool_choice(RequestFields& fields, runtime::ChatPrompt& prompt) {
  const Json* choice = fields.object("tool_choice");
  if (!choice) return;
  RequestFields inside(*choice, "tool_choice.");
  const std::string type = inside.needed_text("type");
  inside.boolean("disable_parallel_tool_use", false);
  if (type == "none")
    prompt.tools = nullptr;
  else if (type == "any" || type == "tool")
    inside.unsupported("type", "the model cannot be forced to call a tool; send 'auto' or 'none'.");
  else if (type != "auto")
    inside.invalid("type", "Expected 'auto', 'any', 'tool' or 'none'.");
  if (inside.refusal()) fields.keep(*inside.refusal());
}

void read_tools(RequestFields& fields, const config::RequestLimits& limits, runtime::ChatPrompt& prompt) {
  Json tools = Json::array();
  fields.each_object("tools", limits.tools,
                     [&](RequestFields& tool) { tools.push_back(read_tool(tool, limits)); });
  if (!tools.empty()) prompt.tools = std::move(tools);
  read_tool_choice(fields, prompt);
}

// {"type": "enabled", "budget_tokens"}, {"type": "adaptive"}, {"type": "disabled"}
void read_thinking(RequestFields& fields, runtime::ChatPrompt& prompt) {
  prompt.template_kwargs = Json::object();
  const Json* thinking = fields.object("thinking");
  if (!thinking) return;
  RequestFields inside(*thinking, "thinking.");
  const std::string type = inside.needed_text("type");
  if (type == "enabled" && !inside.integer("budget_tokens", 1, int32_max)) inside.missing("budget_tokens");
  if (type == "enabled" || type == "adaptive" || type == "disabled")
    prompt.template_kwargs["thinking"] = type != "disabled";
  else
    inside.invalid("type", "Expected 'enabled', 'adaptive' or 'disabled'.");
  if (inside.refusal()) fields.keep(*inside.refusal());
}

void read_output_config(RequestFields& fields) {
  const Json* config = fields.object("output_config");
  if (config && config->contains("format") && !config->at("format").is_null())
    fields.unsupported("output_config", "its 'format' must be left out.");
}

// A last message of the assistant's is the beginning of the answer.
void read_prefill(RequestFields& fields, runtime::ChatPrompt& prompt) {
  if (prompt.messages.empty() || prompt.messages.back()["role"] != "assistant") return;
  if (prompt.messages.back().contains("tool_calls"))
    return fields.invalid("messages", "A tool's use must be followed by its result.");
  prompt.add_generation_prompt = false;
  prompt.continue_final_message = true;
}

// All that becomes tokens of the prompt.
runtime::ChatPrompt read_prompt(RequestFields& fields, const ModelInfo& model,
                                const config::RequestLimits& limits) {
  runtime::ChatPrompt prompt;
  read_model(fields, model, limits);
  prompt.messages = read_conversation(fields, limits);
  read_prefill(fields, prompt);
  read_tools(fields, limits, prompt);
  read_thinking(fields, prompt);
  return prompt;
}

void read_sampling(RequestFields& fields, const config::RequestLimits& limits,
                   runtime::GenerationRequest& out) {
  if (const auto limit = fields.integer("max_tokens", 1, int32_max))
    out.max_tokens = std::int32_t(*limit);
  else
    fields.missing("max_tokens");
  out.temperature = fields.number("temperature", 0, 1);
  out.top_p = fields.number("top_p", 0, 1);
  if (out.top_p && *out.top_p <= 0)
    fields.invalid("top_p", "Expected a value > 0.", "decimal_below_min_value");
  if (const auto top_k = fields.integer("top_k", 0, int32_max)) out.top_k = std::int32_t(*top_k);
  out.stop = read_stop_strings(fields, "stop_sequences", limits);
}

// Where what is generated would have to be elsewhere than here.
void refuse_unsupported(RequestFields& fields) {
  for (const char* name : {"container", "mcp_servers"})
    if (const Json* value = fields.find(name); value && !value->empty())
      fields.unsupported(name, "leave it out.");
}

}  // namespace

Expected<runtime::ChatPrompt> parse_prompt(const Json& body, const ModelInfo& model,
                                           const config::RequestLimits& limits) {
  RequestFields fields(body);
  runtime::ChatPrompt prompt = read_prompt(fields, model, limits);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  return prompt;
}

Expected<ApiRequest> parse_messages_request(const Json& body, const ModelInfo& model,
                                            const config::RequestLimits& limits) {
  ApiRequest request;
  RequestFields fields(body);
  request.generation.prompts.emplace_back(read_prompt(fields, model, limits));
  read_sampling(fields, limits, request.generation);
  read_output_config(fields);
  refuse_unsupported(fields);
  fields.object("metadata");
  request.stream = fields.boolean("stream", false);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  request.id_prefix = "msg_";
  request.answer = make_messages_answer;
  return request;
}

}  // namespace troupe::actors::edge::anthropic
