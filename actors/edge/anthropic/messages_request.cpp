#include "actors/edge/anthropic/messages_request.hpp"

#include <algorithm>
#include <limits>

#include "actors/edge/anthropic/conversation.hpp"
#include "actors/edge/anthropic/messages_answer.hpp"
#include "actors/edge/chat_messages.hpp"
#include "actors/edge/generation_fields.hpp"
#include "actors/edge/structured_output.hpp"

namespace troupe::actors::edge::anthropic {
namespace {

constexpr std::int64_t int32_max = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t max_effort_bytes = 16;  // "medium"

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

// {"type": "tool"}: the call that must come.
void read_forced_tool(RequestFields& choice, runtime::ChatPrompt& prompt) {
  prompt.tool_choice = runtime::ChatPrompt::ToolChoice::named;
  prompt.tool_name = choice.needed_text("name");
  const auto has_it = [&](const Json& tool) { return tool["function"]["name"] == prompt.tool_name; };
  if (!std::ranges::any_of(prompt.tools, has_it)) choice.invalid("name", "It is no tool of the request's.");
}

void read_tool_choice(RequestFields& fields, runtime::ChatPrompt& prompt) {
  const Json* choice = fields.object("tool_choice");
  if (!choice) return;
  RequestFields inside(*choice, "tool_choice.");
  const std::string type = inside.needed_text("type");
  prompt.parallel_tool_calls = !inside.boolean("disable_parallel_tool_use", false);
  if ((type == "any" || type == "tool") && prompt.tools.empty())
    inside.invalid("type", "There must be 'tools' for one to be used.");
  if (type == "none")
    prompt.parse_tool_calls = false;
  else if (type == "any")
    prompt.tool_choice = runtime::ChatPrompt::ToolChoice::required;
  else if (type == "tool")
    read_forced_tool(inside, prompt);
  else if (type != "auto")
    inside.invalid("type", "Expected 'auto', 'any', 'tool' or 'none'.");
  if (inside.refusal()) fields.keep(*inside.refusal());
}

void read_tools(RequestFields& fields, const config::RequestLimits& limits, runtime::ChatPrompt& prompt) {
  Json tools = Json::array();
  fields.each_object("tools", limits.tools,
                     [&](RequestFields& tool) { tools.push_back(read_tool(tool, limits)); });
  if (fields.refusal()) return;
  // What is left out and printed by templates is filled in.
  auto checked = check_tools(tools, limits);
  if (!checked) return fields.keep(checked.error());
  if (!checked->empty()) prompt.tools = std::move(*checked);
  read_tool_choice(fields, prompt);
}

// {"type": "enabled", "budget_tokens"}, {"type": "adaptive"}, {"type": "disabled"}
void read_thinking(RequestFields& fields, runtime::ChatPrompt& prompt, runtime::GenerationRequest& out) {
  const Json* thinking = fields.object("thinking");
  if (!thinking) return;
  RequestFields inside(*thinking, "thinking.");
  const std::string type = inside.needed_text("type");
  prompt.thinking = type != "disabled";
  if (type == "enabled") {
    if (const auto budget = inside.integer("budget_tokens", 1, int32_max))
      out.thinking_token_budget = std::int32_t(*budget);
    else
      inside.missing("budget_tokens");
  } else if (type != "adaptive" && type != "disabled") {
    inside.invalid("type", "Expected 'enabled', 'adaptive' or 'disabled'.");
  }
  if (inside.refusal()) fields.keep(*inside.refusal());
}

// {"type": "json_schema", "schema"}
void read_format(RequestFields& config, runtime::GenerationRequest& out) {
  const Json* format = config.object("format");
  if (!format) return;
  RequestFields inside(*format, config.param("format") + ".");
  if (inside.needed_text("type") != "json_schema") inside.invalid("type", "Expected 'json_schema'.");
  out.grammar = read_schema(inside, "schema");
  if (!out.grammar) inside.missing("schema");
  if (inside.refusal()) config.keep(*inside.refusal());
}

// {"effort", "format"}
void read_output_config(RequestFields& fields, runtime::ChatPrompt& prompt, runtime::GenerationRequest& out) {
  const Json* config = fields.object("output_config");
  if (!config) return;
  RequestFields inside(*config, "output_config.");
  prompt.reasoning_effort = inside.text("effort", max_effort_bytes).value_or("");
  read_format(inside, out);
  if (inside.refusal()) fields.keep(*inside.refusal());
}

// A last message of the assistant's is the beginning of the answer.
void read_prefill(RequestFields& fields, runtime::ChatPrompt& prompt) {
  if (prompt.messages.empty() || prompt.messages.back()["role"] != "assistant") return;
  if (prompt.messages.back().contains("tool_calls"))
    return fields.invalid("messages", "A tool's use must be followed by its result.");
  prompt.add_generation_prompt = false;
  prompt.continue_final_message = true;
}

// All that becomes tokens of the prompt, and what stands beside it.
void read_prompt(RequestFields& fields, const ModelInfo& model, const config::RequestLimits& limits,
                 runtime::GenerationRequest& out) {
  runtime::ChatPrompt prompt;
  prompt.template_kwargs = Json::object();
  read_model(fields, model, limits);
  prompt.messages = read_conversation(fields, limits);
  read_prefill(fields, prompt);
  read_tools(fields, limits, prompt);
  read_thinking(fields, prompt, out);
  read_output_config(fields, prompt, out);
  out.prompts.emplace_back(std::move(prompt));
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

Expected<runtime::GenerationRequest> parse_prompt(const Json& body, const ModelInfo& model,
                                                  const config::RequestLimits& limits) {
  RequestFields fields(body);
  runtime::GenerationRequest out;
  read_prompt(fields, model, limits, out);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  return out;
}

Expected<ApiRequest> parse_messages_request(const Json& body, const ModelInfo& model,
                                            const config::RequestLimits& limits) {
  ApiRequest request;
  RequestFields fields(body);
  read_prompt(fields, model, limits, request.generation);
  read_sampling(fields, limits, request.generation);
  refuse_unsupported(fields);
  fields.object("metadata");
  request.stream = fields.boolean("stream", false);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  request.id_prefix = "msg_";
  request.answer = make_messages_answer;
  return request;
}

}  // namespace troupe::actors::edge::anthropic
