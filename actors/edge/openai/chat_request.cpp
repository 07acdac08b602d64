#include <algorithm>
#include <array>

#include "actors/edge/chat_messages.hpp"
#include "actors/edge/generation_fields.hpp"
#include "actors/edge/openai/answer_fields.hpp"
#include "actors/edge/openai/endpoints.hpp"

namespace troupe::actors::edge::openai {
namespace {

// The name in {"name": ...}, which a forced call must have.
void read_forced_function(RequestFields& fields, const Json& choice, const std::string& path,
                          runtime::ChatPrompt& prompt) {
  RequestFields inside(choice, path + ".");
  const auto name = inside.text("name");
  if (!name) inside.missing("name");
  if (inside.refusal()) return fields.keep(*inside.refusal());
  const auto has_it = [&](const Json& tool) { return tool["function"]["name"] == *name; };
  if (!std::ranges::any_of(prompt.tools, has_it))
    return fields.keep({RefusalKind::invalid,
                        "Invalid '" + path + ".name'. It is no function of the request's.", path + ".name",
                        "invalid_value"});
  prompt.tool_choice = runtime::ChatPrompt::ToolChoice::named;
  prompt.tool_name = *name;
}

void read_tool_choice(RequestFields& fields, runtime::ChatPrompt& prompt) {
  const Json* choice = fields.find("tool_choice");
  if (!choice || *choice == "auto") return;
  if (*choice == "none") {
    prompt.parse_tool_calls = false;
    return;
  }
  if (!choice->is_string() && !choice->is_object())
    return fields.wrong_type("tool_choice", "a string or an object");
  if (prompt.tools.empty())
    return fields.invalid("tool_choice", "It is only allowed when 'tools' are given.");
  if (*choice == "required") {
    prompt.tool_choice = runtime::ChatPrompt::ToolChoice::required;
    return;
  }
  if (choice->is_string())
    return fields.invalid("tool_choice", "Expected 'none', 'auto', 'required' or a function.");
  RequestFields inside(*choice, "tool_choice.");
  if (inside.text("type").value_or("function") != "function")
    inside.invalid("type", "Only 'function' is supported.");
  const Json* function = inside.object("function");
  if (!function) inside.missing("function");
  if (inside.refusal()) return fields.keep(*inside.refusal());
  read_forced_function(fields, *function, "tool_choice.function", prompt);
}

// The older words for tools: functions and function_call.
Json read_functions(RequestFields& fields, const config::RequestLimits& limits) {
  Json tools = Json::array();
  const Json* functions = fields.array("functions", limits.tools);
  if (!functions) return tools;
  if (fields.find("tools"))
    fields.invalid("functions", "It may not stand beside 'tools', which it is the older form of.");
  for (const Json& each : *functions) tools.push_back({{"type", "function"}, {"function", each}});
  return tools;
}

void read_function_call(RequestFields& fields, runtime::ChatPrompt& prompt) {
  const Json* call = fields.find("function_call");
  if (!call || *call == "auto") return;
  if (*call == "none") {
    prompt.parse_tool_calls = false;
  } else if (call->is_object()) {
    read_forced_function(fields, *call, "function_call", prompt);
  } else {
    fields.invalid("function_call", "Expected 'none', 'auto' or a function's name in an object.");
  }
}

void read_tools(RequestFields& fields, const config::RequestLimits& limits, runtime::ChatPrompt& prompt) {
  Json tools = read_functions(fields, limits);
  const bool older = !tools.empty();
  if (const Json* given = fields.array("tools", limits.tools)) tools = *given;
  auto checked = check_tools(tools, limits);
  if (!checked) return fields.keep(checked.error());
  if (!checked->empty()) prompt.tools = std::move(*checked);
  prompt.parallel_tool_calls = fields.boolean("parallel_tool_calls", true) && !older;
  read_tool_choice(fields, prompt);
  read_function_call(fields, prompt);
}

void read_thinking_object(RequestFields& fields, const Json& thinking, runtime::ChatPrompt& prompt) {
  RequestFields inside(thinking, "thinking.");
  const auto type = inside.text("type");
  if (!type) inside.missing("type");
  if (type && *type != "enabled" && *type != "disabled")
    inside.invalid("type", "Expected 'enabled' or 'disabled'.");
  if (inside.refusal()) return fields.keep(*inside.refusal());
  prompt.thinking = *type == "enabled";
}

// Whether and how much to think, in the words of DeepSeek, of templates and of OpenAI.
void read_thinking(RequestFields& fields, runtime::ChatPrompt& prompt) {
  if (const Json* thinking = fields.find("thinking")) {
    if (thinking->is_object())
      read_thinking_object(fields, *thinking, prompt);
    else if (thinking->is_boolean())
      prompt.thinking = thinking->get<bool>();
    else
      fields.wrong_type("thinking", "an object or a boolean");
  }
  if (fields.find("enable_thinking")) prompt.thinking = fields.boolean("enable_thinking", true);
  const auto effort = fields.text("reasoning_effort");
  if (!effort) return;
  static constexpr std::array known{"none", "minimal", "low", "medium", "high", "xhigh"};
  if (std::ranges::find(known, *effort) == known.end())
    return fields.invalid("reasoning_effort",
                          "Expected 'none', 'minimal', 'low', 'medium', 'high' or 'xhigh'.");
  if (!prompt.thinking) prompt.thinking = *effort != "none";
  if (*effort != "none") prompt.reasoning_effort = *effort;
}

void read_template_fields(RequestFields& fields, runtime::ChatPrompt& prompt) {
  prompt.template_kwargs = Json::object();
  if (const Json* kwargs = fields.object("chat_template_kwargs")) {
    for (const char* taken : {"messages", "tools", "add_generation_prompt", "continue_final_message"})
      if (kwargs->contains(taken))
        fields.invalid("chat_template_kwargs",
                       "'" + std::string(taken) + "' is a field of the request itself.");
    prompt.template_kwargs = *kwargs;
  }
  const bool prefix = prompt.messages.is_array() && !prompt.messages.empty() && goes_on(prompt.messages);
  prompt.add_generation_prompt = fields.boolean("add_generation_prompt", !prefix);
  prompt.continue_final_message = fields.boolean("continue_final_message", prefix);
  read_thinking(fields, prompt);
  if (!prompt.continue_final_message) return;
  if (prompt.add_generation_prompt)
    fields.invalid("continue_final_message", "It needs 'add_generation_prompt' to be false.");
  if (prompt.messages.is_array() && prompt.messages.back()["role"] != "assistant")
    fields.invalid("continue_final_message", "The last message must be the assistant's.");
}

void read_logprobs(RequestFields& fields, const config::RequestLimits& limits,
                   runtime::GenerationRequest& out) {
  const bool wanted = fields.boolean("logprobs", false);
  const auto top = fields.integer("top_logprobs", 0, limits.logprobs);
  if (top.value_or(0) > 0 && !wanted)
    fields.invalid("top_logprobs", "It is only allowed when 'logprobs' is true.");
  if (wanted) out.logprobs = std::int32_t(top.value_or(0));
}

void refuse_unsupported_in_chat(RequestFields& fields) {
  for (const char* name : {"audio", "prediction", "web_search_options", "chat_template", "documents",
                           "mm_processor_kwargs", "echo"})
    if (const Json* value = fields.find(name); value && !value->empty() && *value != false)
      fields.unsupported(name, "leave it out.");
  const Json* modalities = fields.find("modalities");
  if (modalities && *modalities != Json::array({"text"}))
    fields.unsupported("modalities", "only [\"text\"] is.");
}

}  // namespace

Expected<ApiRequest> parse_chat_request(const Json& body, const ModelInfo& model,
                                        const config::RequestLimits& limits) {
  ApiRequest request;
  runtime::ChatPrompt prompt;
  RequestFields fields(body);
  read_generation_fields(fields, model, limits, 1, request);
  const auto best_of = fields.integer("best_of", 1, limits.n);
  if (best_of && *best_of != request.generation.n)
    fields.unsupported("best_of", "leave it out or send the value of 'n'.");
  refuse_unsupported_in_chat(fields);
  if (const Json* messages = fields.array("messages", limits.messages)) {
    auto checked = check_messages(*messages, limits);
    if (checked)
      prompt.messages = std::move(*checked);
    else
      fields.keep(checked.error());
  } else {
    fields.missing("messages");
  }
  read_tools(fields, limits, prompt);
  read_template_fields(fields, prompt);
  read_logprobs(fields, limits, request.generation);
  request.generation.prompts.emplace_back(std::move(prompt));
  check_choices(fields, limits, request);
  const AnswerOptions options = read_answer_fields(fields, request);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  request.id_prefix = "chatcmpl-";
  request.answer = [options](AnswerIdentity identity) {
    return make_chat_answer(std::move(identity), options);
  };
  return request;
}

}  // namespace troupe::actors::edge::openai
