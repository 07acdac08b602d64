#include "actors/edge/anthropic/messages_answer.hpp"

#include "actors/edge/collected_choice.hpp"
#include "actors/edge/tool_arguments.hpp"

namespace troupe::actors::edge::anthropic {
namespace {

using runtime::ChoiceEnd;

Json stop_reason(ChoiceEnd how, const std::string& stop_string) {
  if (how == ChoiceEnd::length) return "max_tokens";
  if (how == ChoiceEnd::tool_calls) return "tool_use";
  if (how == ChoiceEnd::content_filter) return "refusal";
  return stop_string.empty() ? "end_turn" : "stop_sequence";
}

// Prompts are cached without being asked to, so what was found there is not told apart: clients would think that
// it comes on top.
Json usage_object(const runtime::Usage& usage) {
  return {{"input_tokens", usage.prompt_tokens},
          {"output_tokens", usage.completion_tokens},
          {"output_tokens_details", {{"thinking_tokens", usage.reasoning_tokens}}}};
}

Json thinking_block(const std::string& thinking) {
  return {{"type", "thinking"}, {"thinking", thinking}, {"signature", ""}};
}
Json text_block(const std::string& text) {
  return {{"type", "text"}, {"text", text}};
}
Json tool_use_block(const runtime::ToolCallDelta& call, Json input) {
  return {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", std::move(input)}};
}

class MessagesAnswer final : public Answer {
 public:
  MessagesAnswer(AnswerIdentity identity, bool show_thinking)
      : identity_(std::move(identity)), show_thinking_(show_thinking) {}

  void begin(const runtime::Usage& usage, std::string& out) override {
    tell("message_start", {{"message", message_object(Json::array(), Json(), Json(), usage)}}, out);
  }

  void still_waiting(std::string& out) override { tell("ping", Json::object(), out); }

  void delta(const runtime::Delta& delta, std::string& out) override {
    CHECK(finish_ == ChoiceEnd::none, "a choice ends once");
    if (!delta.reasoning.empty()) {
      if (open_ != Open::thinking) open(Open::thinking, thinking_block(""), out);
      if (show_thinking_) tell_part({{"type", "thinking_delta"}, {"thinking", delta.reasoning}}, out);
    }
    if (!delta.content.empty()) {
      if (open_ != Open::text) open(Open::text, text_block(""), out);
      tell_part({{"type", "text_delta"}, {"text", delta.content}}, out);
    }
    for (const runtime::ToolCallDelta& call : delta.tool_calls) tell_call(call, out);
    if (!delta.ends()) return;
    close(out);
    finish_ = delta.finish;
    stop_string_ = delta.stop_reason;
  }

  void end(const runtime::Usage& usage, std::string& out) override {
    const Json why = {{"stop_reason", stop_reason(finish_, stop_string_)},
                      {"stop_sequence", text_or_null(stop_string_)}};
    tell("message_delta", {{"delta", why}, {"usage", usage_object(usage)}}, out);
    tell("message_stop", Json::object(), out);
  }

  void failure(const Refusal& refusal, std::string& out) override {
    append_event(dump(error_object(refusal, identity_.request_id)), out, "error");
  }

  void collect(runtime::Delta delta) override { collected_.add(std::move(delta)); }

  Json whole(const runtime::Usage& usage) override {
    Json content = Json::array();
    if (!collected_.reasoning.empty())
      content.push_back(thinking_block(show_thinking_ ? collected_.reasoning : ""));
    if (!collected_.content.empty()) content.push_back(text_block(collected_.content));
    // As in a stream, a use that was cut off stays, to be seen beside its stop_reason; its input is of no use.
    const bool cut = ends_in_cut_call(collected_.in_call, collected_.tool_calls);
    for (const runtime::ToolCallDelta& call : collected_.tool_calls) {
      const bool whole = !cut || &call != &collected_.tool_calls.back();
      content.push_back(tool_use_block(call, whole ? arguments_object(call.arguments) : Json::object()));
    }
    return message_object(std::move(content), stop_reason(collected_.finish, collected_.stop_reason),
                          text_or_null(collected_.stop_reason), usage);
  }

 private:
  enum class Open { nothing, thinking, text, tool_use };  // which kind of block

  Json message_object(Json content, Json stop_reason, Json stop_sequence, const runtime::Usage& usage) const {
    return {{"id", identity_.id},
            {"type", "message"},
            {"role", "assistant"},
            {"model", identity_.model},
            {"content", std::move(content)},
            {"stop_reason", std::move(stop_reason)},
            {"stop_sequence", std::move(stop_sequence)},
            {"usage", usage_object(usage)}};
  }

  // Events have their name in the data, too.
  static void tell(const char* name, const Json& rest, std::string& out) {
    Json event = {{"type", name}};
    event.update(rest);
    append_event(dump(event), out, name);
  }

  void open(Open kind, Json block, std::string& out) {
    close(out);
    open_ = kind;
    tell("content_block_start", {{"index", index_}, {"content_block", std::move(block)}}, out);
  }

  void tell_part(Json part, std::string& out) const {
    tell("content_block_delta", {{"index", index_}, {"delta", std::move(part)}}, out);
  }

  void tell_call(const runtime::ToolCallDelta& call, std::string& out) {
    if (open_ != Open::tool_use || call.index != call_) {
      open(Open::tool_use, tool_use_block(call, Json::object()), out);
      call_ = call.index;
    }
    if (!call.arguments.empty())
      tell_part({{"type", "input_json_delta"}, {"partial_json", call.arguments}}, out);
  }

  void close(std::string& out) {
    if (open_ == Open::nothing) return;
    if (open_ == Open::thinking) tell_part({{"type", "signature_delta"}, {"signature", ""}}, out);
    tell("content_block_stop", {{"index", index_++}}, out);
    open_ = Open::nothing;
  }

  const AnswerIdentity identity_;
  const bool show_thinking_;

  // Of a stream.
  Open open_ = Open::nothing;
  std::int32_t index_ = 0;  // of the open block, or of the next one
  std::int32_t call_ = 0;   // the call whose use is told
  ChoiceEnd finish_ = ChoiceEnd::none;
  std::string stop_string_;

  CollectedChoice collected_;  // of a whole answer
};

}  // namespace

std::unique_ptr<Answer> make_messages_answer(AnswerIdentity identity, bool show_thinking) {
  return std::make_unique<MessagesAnswer>(std::move(identity), show_thinking);
}

Json error_object(const Refusal& refusal, std::string_view request_id) {
  const char* type = error_type(refusal.kind);
  if (refusal.kind == RefusalKind::internal) type = "api_error";
  if (refusal.kind == RefusalKind::too_large) type = "request_too_large";
  const Json error = {{"type", type}, {"message", refusal.message}};
  return {{"type", "error"}, {"error", error}, {"request_id", request_id}};
}

Reply refusal_reply(const Refusal& refusal, const std::string& request_id) {
  return refusal_reply_of(refusal, error_object(refusal, request_id));
}

}  // namespace troupe::actors::edge::anthropic
