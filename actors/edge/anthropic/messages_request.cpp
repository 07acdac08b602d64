#include "actors/edge/anthropic/messages_request.hpp"

#include "actors/edge/anthropic/conversation.hpp"
#include "actors/edge/anthropic/messages_answer.hpp"
#include "actors/edge/chat_messages.hpp"
#include "actors/edge/fields_recording.hpp"
#include "actors/edge/generation_fields.hpp"
#include "actors/edge/reasoning_effort.hpp"
#include "actors/edge/structured_output.hpp"

namespace troupe::actors::edge::anthropic {
namespace {

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
  if (tool.boolean("strict", false)) function["strict"] = true;
  return {{"type", "function"}, {"function", std::move(function)}};
}

// {"type": "tool"}: the call that must come.
void read_forced_tool(RequestFields& choice, runtime::ChatPrompt& prompt) {
  prompt.tool_choice = runtime::ChatPrompt::ToolChoice::named;
  prompt.tool_name = choice.needed_text("name");
  if (!has_tool(prompt.tools, prompt.tool_name)) choice.invalid("name", "It is no tool of the request's.");
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

Expected<Json> checked_tools(const Json& tools, const config::RequestLimits& limits) {
  const FieldsRecording::Pause pause;
  return check_tools(tools, limits);
}

void read_tools(RequestFields& fields, const config::RequestLimits& limits, runtime::ChatPrompt& prompt) {
  Json tools = Json::array();
  fields.each_object("tools", limits.tools,
                     [&](RequestFields& tool) { tools.push_back(read_tool(tool, limits)); });
  if (fields.refusal()) return;
  auto checked = checked_tools(tools, limits);
  if (!checked) return fields.keep(checked.error());
  if (!checked->empty()) prompt.tools = std::move(*checked);
  read_tool_choice(fields, prompt);
}

// {"type": "enabled", "budget_tokens"}, {"type": "adaptive"}, {"type": "disabled"}. "display" is of the answer.
void read_thinking(RequestFields& fields, const ModelInfo& model, runtime::ChatPrompt& prompt,
                   runtime::GenerationRequest& out) {
  const Json* thinking = fields.object("thinking");
  if (!thinking) return;
  RequestFields inside(*thinking, "thinking.");
  const std::string type = inside.needed_text("type");
  const auto budget = inside.integer("budget_tokens", 1, int32_max);
  if (type == "enabled" || (type == "adaptive" && model.thinks)) prompt.thinking = true;
  if (type == "disabled") prompt.thinking = false;
  if (type == "enabled") {
    if (budget)
      out.thinking_token_budget = std::int32_t(*budget);
    else
      inside.missing("budget_tokens");
    if (!model.thinks) inside.unsupported("type", "the model does not think; send 'disabled'.");
  } else if (type != "adaptive" && type != "disabled") {
    inside.invalid("type", "Expected 'enabled', 'adaptive' or 'disabled'.");
  }
  if (inside.refusal()) fields.keep(*inside.refusal());
}

// {"type": "json_schema", "schema"}
void read_format(RequestFields& fields, std::string_view name, ApiRequest& request) {
  const Json* format = fields.object(name);
  if (!format) return;
  runtime::GenerationRequest& out = request.generation;
  if (out.grammar) return fields.invalid(name, "It may not stand beside 'output_config.format'.");
  RequestFields inside(*format, fields.param(name) + ".");
  if (inside.needed_text("type") != "json_schema") inside.invalid("type", "Expected 'json_schema'.");
  out.grammar = read_schema(inside, "schema");
  if (!out.grammar) inside.missing("schema");
  if (inside.refusal()) return fields.keep(*inside.refusal());
  request.own_names.push_back({"response_format", fields.param(name)});
}

// {"effort", "format"}
void read_output_config(RequestFields& fields, runtime::ChatPrompt& prompt, ApiRequest& request) {
  const Json* config = fields.object("output_config");
  if (!config) return;
  RequestFields inside(*config, "output_config.");
  prompt.reasoning_effort = read_reasoning_effort(inside, "effort").value_or("");
  read_format(inside, "format", request);
  if (inside.refusal()) fields.keep(*inside.refusal());
}

void read_messages(RequestFields& fields, const config::RequestLimits& limits, runtime::ChatPrompt& prompt) {
  prompt.messages = read_conversation(fields, limits);
  if (fields.refusal()) return;
  go_on_with_last_of_assistant(prompt);
  if (prompt.messages.back().contains("tool_calls"))
    fields.invalid("messages", "A tool's use must be followed by its result.");
}

// All that becomes tokens of the prompt, and what stands beside it.
void read_prompt(RequestFields& fields, const ModelInfo& model, const config::RequestLimits& limits,
                 ApiRequest& request) {
  runtime::ChatPrompt prompt;
  prompt.template_kwargs = Json::object();
  read_model(fields, model, limits);
  read_messages(fields, limits, prompt);
  read_tools(fields, limits, prompt);
  read_thinking(fields, model, prompt, request.generation);
  read_output_config(fields, prompt, request);
  read_format(fields, "output_format", request);  // its older place
  if (prompt.must_call()) refuse_beside_forced_call(fields, request);
  request.generation.prompts.emplace_back(std::move(prompt));
}

void read_sampling(RequestFields& fields, const config::RequestLimits& limits,
                   runtime::GenerationRequest& out) {
  if (const auto limit = fields.integer("max_tokens", 1, int32_max))
    out.max_tokens = std::int32_t(*limit);
  else
    fields.missing("max_tokens");
  out.temperature = fields.number("temperature", 0, max_temperature);
  out.top_p = read_top_p(fields);
  if (const auto top_k = fields.integer("top_k", 0, int32_max)) out.top_k = std::int32_t(*top_k);
  fields.array("stop_sequences", limits.stop_strings);
  out.stop = read_stop_strings(fields, "stop_sequences", limits);
}

// "display" of "thinking": whether the thoughts themselves are told.
bool shows_thinking(RequestFields& fields) {
  const Json* thinking = fields.object("thinking");
  if (!thinking) return true;
  RequestFields inside(*thinking, "thinking.");
  const std::string display = inside.text("display").value_or("summarized");
  if (display != "summarized" && display != "omitted")
    inside.invalid("display", "Expected 'summarized' or 'omitted'.");
  if (inside.refusal()) fields.keep(*inside.refusal());
  return display != "omitted";
}

void check_bookkeeping(RequestFields& fields) {
  fields.text("service_tier");
  const Json* metadata = fields.object("metadata");
  if (!metadata) return;
  RequestFields inside(*metadata, "metadata.");
  inside.text("user_id");
  if (inside.refusal()) fields.keep(*inside.refusal());
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
  ApiRequest request;
  read_prompt(fields, model, limits, request);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  return std::move(request.generation);
}

Expected<ApiRequest> parse_messages_request(const Json& body, const ModelInfo& model,
                                            const config::RequestLimits& limits) {
  ApiRequest request;
  RequestFields fields(body);
  read_prompt(fields, model, limits, request);
  read_sampling(fields, limits, request.generation);
  refuse_unsupported(fields);
  check_bookkeeping(fields);
  request.stream = fields.boolean("stream", false);
  const bool show_thinking = shows_thinking(fields);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  request.id_prefix = "msg_";
  request.answer = [show_thinking](AnswerIdentity identity) {
    return make_messages_answer(std::move(identity), show_thinking);
  };
  return request;
}

}  // namespace troupe::actors::edge::anthropic
