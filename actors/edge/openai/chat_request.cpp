#include <algorithm>
#include <array>

#include "actors/edge/chat_messages.hpp"
#include "actors/edge/generation_fields.hpp"
#include "actors/edge/openai/answer_fields.hpp"
#include "actors/edge/openai/endpoints.hpp"
#include "actors/edge/openai/thinking.hpp"
#include "actors/edge/openai/tool_choice.hpp"
#include "actors/edge/structured_output.hpp"

namespace troupe::actors::edge::openai {
namespace {

// The older words for tools: functions and function_call.
Json read_functions(RequestFields& fields, const config::RequestLimits& limits) {
  Json tools = Json::array();
  const Json* functions = fields.array("functions", limits.tools);
  if (!functions) return tools;
  if (fields.find("tools"))
    fields.invalid("functions", "It may not stand beside 'tools', which it is the older form of.");
  fields.each_object("functions", limits.tools,
                     [&](RequestFields& function) { check_declaration(function, limits); });
  for (const Json& each : *functions) tools.push_back({{"type", "function"}, {"function", each}});
  return tools;
}

// Returns whether they came in the older words.
bool read_tools(RequestFields& fields, const config::RequestLimits& limits, runtime::ChatPrompt& prompt,
                ApiRequest& request) {
  Json tools = read_functions(fields, limits);
  if (fields.refusal()) return false;
  const bool older = !tools.empty();
  if (const Json* given = fields.array("tools", limits.tools)) tools = *given;
  auto checked = check_tools(tools, limits);
  if (!checked) {
    fields.keep(checked.error());
    return false;
  }
  if (!checked->empty()) prompt.tools = std::move(*checked);
  if (older) request.own_names.push_back({"tools", "functions"});
  prompt.parallel_tool_calls = fields.boolean("parallel_tool_calls", true) && !older;
  read_tool_choice(fields, limits, prompt);
  read_function_call(fields, prompt);
  if (prompt.must_call()) refuse_beside_forced_call(fields, request);
  return older;
}

// How much to write.
void read_verbosity(RequestFields& fields, runtime::ChatPrompt& prompt) {
  prompt.verbosity = fields.text("verbosity").value_or("");
  static constexpr std::array known{"", "low", "medium", "high"};
  if (std::ranges::find(known, prompt.verbosity) == known.end())
    fields.invalid("verbosity", "Expected 'low', 'medium' or 'high'.");
}

void read_template_fields(RequestFields& fields, const ModelInfo& model, runtime::ChatPrompt& prompt,
                          ApiRequest& request) {
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
  read_thinking(fields, model, prompt, request);
  read_verbosity(fields, prompt);
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
  const bool older_calls = read_tools(fields, limits, prompt, request);
  const bool named_call = prompt.tool_choice == runtime::ChatPrompt::ToolChoice::named;
  read_template_fields(fields, model, prompt, request);
  read_logprobs(fields, limits, request.generation);
  request.generation.prompts.emplace_back(std::move(prompt));
  check_choices(fields, limits, request);
  AnswerOptions options = read_answer_fields(fields, limits, request);
  options.older_calls = older_calls;
  options.named_call = named_call;
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  request.id_prefix = "chatcmpl-";
  request.answer = [options](AnswerIdentity identity) {
    return make_chat_answer(std::move(identity), options);
  };
  return request;
}

}  // namespace troupe::actors::edge::openai
