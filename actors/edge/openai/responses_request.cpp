// A response is generated as a chat is: its request is brought into the words of the chat endpoint and read as one.
#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "actors/edge/fields_recording.hpp"
#include "actors/edge/openai/endpoints.hpp"
#include "actors/edge/openai/responses_answer.hpp"
#include "actors/edge/openai/responses_input.hpp"
#include "actors/edge/reply.hpp"

namespace troupe::actors::edge::openai {
namespace {

// What a response keeps nowhere, and what it has under other names than a chat.
constexpr std::array not_of_a_chat{"input",
                                   "instructions",
                                   "tools",
                                   "tool_choice",
                                   "text",
                                   "reasoning",
                                   "include",
                                   "stream_options",
                                   "messages",
                                   "n",
                                   "best_of",
                                   "logprobs",
                                   "functions",
                                   "function_call",
                                   "max_tokens",
                                   "max_completion_tokens",
                                   "response_format",
                                   "top_logprobs",
                                   "include_reasoning",
                                   "return_token_ids",
                                   "continue_final_message",
                                   "add_generation_prompt",
                                   "truncation",
                                   "max_output_tokens",
                                   "prompt",
                                   "reasoning_effort"};

void refuse_state(RequestFields& fields) {
  for (const char* name : {"previous_response_id", "conversation"})
    if (fields.find(name)) fields.unsupported(name, "nothing is stored; send the whole input.");
  if (fields.find("prompt")) fields.unsupported("prompt", "nothing is stored; send the input itself.");
  if (fields.boolean("background", false)) fields.unsupported("background", "leave it out or send false.");
}

// {"type": "function", "name", ...} with the function inside, as a chat has it.
Json read_tools(RequestFields& fields, const config::RequestLimits& limits) {
  Json tools = Json::array();
  fields.each_object("tools", limits.tools, [&](RequestFields& tool) {
    const auto type = tool.text("type"), name = tool.text("name", limits.name_bytes);
    if (!type) return tool.missing("type");
    if (*type != "function") return tool.unsupported("type", "the server has no tools of its own.");
    if (!name || name->empty()) return tool.missing("name");
    Json function = {{"name", *name}};
    if (auto description = tool.text("description")) function["description"] = std::move(*description);
    if (const Json* parameters = tool.object("parameters")) function["parameters"] = *parameters;
    if (tool.boolean("strict", false)) function["strict"] = true;
    tools.push_back({{"type", "function"}, {"function", std::move(function)}});
  });
  return tools;
}

// A word, or {"type": "function", "name"}.
Json read_tool_choice(RequestFields& fields) {
  const Json* choice = fields.find("tool_choice");
  if (!choice) return nullptr;
  if (!choice->is_object()) return *choice;
  RequestFields inside(*choice, "tool_choice.");
  const auto type = inside.text("type"), name = inside.text("name");
  if (!type) inside.missing("type");
  if (type && *type != "function") inside.unsupported("type", "only 'function' is.");
  if (!name) inside.missing("name");
  if (inside.refusal()) {
    fields.keep(*inside.refusal());
    return nullptr;
  }
  return {{"type", "function"}, {"function", {{"name", *name}}}};
}

// The format of the text, as a chat's response_format.
Json read_format(RequestFields& fields) {
  const Json* text = fields.object("text");
  if (!text) return nullptr;
  RequestFields inside(*text, "text.");
  if (inside.text("verbosity").value_or("medium") != "medium")
    inside.unsupported("verbosity", "leave it out or send 'medium'.");
  Json chosen;
  if (const Json* format = inside.object("format")) {
    chosen = *format;
    if (format->contains("type") && (*format)["type"] == "json_schema") {
      RequestFields schema(*format, "text.format.");
      if (!schema.object("schema")) schema.missing("schema");
      if (schema.refusal()) inside.keep(*schema.refusal());
      chosen = {{"type", "json_schema"}, {"json_schema", *format}};
    }
  }
  if (inside.refusal()) fields.keep(*inside.refusal());
  return chosen;
}

struct Reasoning {
  Json effort, summary;  // words, or null
};

Reasoning read_reasoning(RequestFields& fields) {
  const Json* reasoning = fields.object("reasoning");
  if (!reasoning) return {};
  RequestFields inside(*reasoning, "reasoning.");
  Reasoning out;
  if (auto effort = inside.text("effort")) out.effort = std::move(*effort);
  for (const char* name : {"generate_summary", "summary"}) {  // the first is the second's older name
    const auto summary = inside.text(name);
    if (!summary) continue;
    if (*summary != "auto" && *summary != "concise" && *summary != "detailed")
      inside.invalid(name, "Expected 'auto', 'concise' or 'detailed'.");
    out.summary = *summary;
  }
  if (inside.refusal()) fields.keep(*inside.refusal());
  return out;
}

bool includes_logprobs(RequestFields& fields, const config::RequestLimits& limits) {
  const Json* include = fields.array("include", limits.content_parts);
  if (!include) return false;
  if (!std::ranges::all_of(*include, [](const Json& each) { return each.is_string(); }))
    fields.wrong_type("include", "an array of strings");
  return std::ranges::find(*include, "message.output_text.logprobs") != include->end();
}

std::string read_truncation(RequestFields& fields) {
  const std::string truncation = fields.text("truncation").value_or("disabled");
  if (truncation != "disabled" && truncation != "auto")
    fields.invalid("truncation", "Expected 'auto' or 'disabled'.");
  return truncation;
}

// What every response object repeats of its request.
Json asked(const RequestFields& fields, const Reasoning& reasoning) {
  const auto as_sent = [&](const char* name, Json otherwise) {
    const Json* found = fields.find(name);
    return found ? *found : otherwise;
  };
  Json text = as_sent("text", Json::object());
  if (!text.contains("format") || text["format"].is_null()) text["format"] = {{"type", "text"}};
  return {{"instructions", as_sent("instructions", nullptr)},
          {"max_output_tokens", as_sent("max_output_tokens", nullptr)},
          {"metadata", as_sent("metadata", Json::object())},
          {"parallel_tool_calls", as_sent("parallel_tool_calls", true)},
          {"previous_response_id", nullptr},
          {"reasoning", {{"effort", reasoning.effort}, {"summary", reasoning.summary}}},
          {"background", false},
          {"store", false},
          {"temperature", as_sent("temperature", nullptr)},
          {"text", std::move(text)},
          {"tool_choice", as_sent("tool_choice", "auto")},
          {"tools", as_sent("tools", Json::array())},
          {"top_p", as_sent("top_p", nullptr)},
          {"truncation", as_sent("truncation", "disabled")},
          {"user", as_sent("user", nullptr)}};
}

Json as_chat(RequestFields& fields, const Json& body, const Reasoning& reasoning,
             const config::RequestLimits& limits) {
  Json chat = body;
  for (const char* name : not_of_a_chat) chat.erase(name);
  chat["messages"] = read_input(fields, limits);
  chat["tools"] = read_tools(fields, limits);
  chat["tool_choice"] = read_tool_choice(fields);
  chat["response_format"] = read_format(fields);
  chat["reasoning_effort"] = reasoning.effort;
  if (const auto most = fields.integer("max_output_tokens", 1, std::numeric_limits<std::int32_t>::max()))
    chat["max_completion_tokens"] = *most;
  const auto top = fields.integer("top_logprobs", 0, limits.logprobs);
  if (includes_logprobs(fields, limits)) chat["logprobs"] = true, chat["top_logprobs"] = top.value_or(0);
  if (read_truncation(fields) == "auto") chat["truncate_prompt_tokens"] = -1;
  return chat;
}

// What the chat endpoint refuses, under the names that the fields have here.
Refusal in_own_names(Refusal refusal) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> names{
      {{"reasoning_effort", "reasoning.effort"},
       {"response_format.json_schema", "text.format"},
       {"response_format", "text.format"},
       {"tool_choice.function", "tool_choice"}}};
  for (const auto& [chat, own] : names) {
    if (!refusal.param.starts_with(chat)) continue;
    refusal.param.replace(0, chat.size(), own);
    if (const auto at = refusal.message.find(chat); at != refusal.message.npos)
      refusal.message.replace(at, chat.size(), own);
    break;
  }
  return refusal;
}

}  // namespace

Expected<ApiRequest> parse_response_request(const Json& body, const ModelInfo& model,
                                            const config::RequestLimits& limits) {
  RequestFields fields(body);
  refuse_state(fields);
  const Reasoning reasoning = read_reasoning(fields);
  const Json chat = as_chat(fields, body, reasoning, limits);
  fields.object("stream_options");
  fields.object("metadata");
  fields.text("user");
  fields.boolean("store", false);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  if (auto* recording = FieldsRecording::current()) recording->leave_out(not_of_a_chat);
  auto request = parse_chat_request(chat, model, limits);
  if (!request) return tl::unexpected(in_own_names(request.error()));
  request->id_prefix = "resp_";
  request->answer = [options = ResponseOptions{asked(fields, reasoning), !reasoning.summary.is_null()}](
                        AnswerIdentity identity) {
    return make_response_answer(std::move(identity), options);
  };
  return request;
}

}  // namespace troupe::actors::edge::openai
