#include "actors/edge/openai/responses_answer.hpp"

#include <optional>
#include <utility>
#include <vector>

#include "actors/edge/logprobs.hpp"
#include "actors/edge/reply.hpp"

namespace troupe::actors::edge::openai {
namespace {

using runtime::ChoiceEnd;

Json usage_object(const runtime::Usage& usage) {
  return {{"input_tokens", usage.prompt_tokens},
          {"input_tokens_details", {{"cached_tokens", usage.cached_tokens}, {"cache_write_tokens", 0}}},
          {"output_tokens", usage.completion_tokens},
          {"output_tokens_details", {{"reasoning_tokens", usage.reasoning_tokens}}},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
}

// Numbers the events of a stream. Without `out` nothing is told: the answer is collected.
class Events {
 public:
  void to(std::string* out) { out_ = out; }
  // event: what stands behind its type and number.
  void tell(const std::string& type, const Json& event) {
    if (!out_) return;
    Json whole = {{"type", type}, {"sequence_number", number_++}};
    whole.update(event);
    append_event(dump(whole), *out_, type);
  }

 private:
  std::string* out_ = nullptr;
  std::int64_t number_ = 0;
};

// The item that grows at the end of the output. Its text is one part.
struct Item {
  enum class Kind { reasoning, summary, message, call };
  Kind kind = Kind::message;
  Json object;  // as "output_item.added" told it
  std::size_t index = 0;
  std::int32_t call = 0;  // the model's number of it
  std::string text = {};  // or the arguments of a call
  Json logprobs = Json::array();
};

// What the events of a kind of part are called, and where it stands in its item.
struct PartWords {
  const char *part, *text, *type, *list, *index;
};
PartWords words_of(Item::Kind kind) {
  switch (kind) {
    case Item::Kind::reasoning:
      return {"response.content_part", "response.reasoning_text", "reasoning_text", "content",
              "content_index"};
    case Item::Kind::summary:
      return {"response.reasoning_summary_part", "response.reasoning_summary_text", "summary_text", "summary",
              "summary_index"};
    default:
      return {"response.content_part", "response.output_text", "output_text", "content", "content_index"};
  }
}

class ResponseAnswer final : public Answer {
 public:
  ResponseAnswer(AnswerIdentity identity, const ResponseOptions& options)
      : identity_(std::move(identity)), options_(options) {}

  void begin(const runtime::Usage&, std::string& out) override {
    events_.to(&out);
    for (const char* type : {"response.created", "response.in_progress"})
      events_.tell(type, {{"response", response("in_progress", nullptr)}});
  }

  void delta(const runtime::Delta& delta, std::string& out) override {
    events_.to(&out);
    take(delta);
  }

  void end(const runtime::Usage& usage, std::string& out) override {
    CHECK(end_ != ChoiceEnd::none, "the answer has ended");
    events_.to(&out);
    const std::string status = this->status();
    events_.tell("response." + status, {{"response", response(status, usage_object(usage))}});
  }

  void failure(const Refusal& refusal, std::string& out) override {
    events_.to(&out);
    Json failed = response("failed", nullptr);
    failed["error"] = {
        {"code", refusal.kind == RefusalKind::rate_limited ? "rate_limit_exceeded" : "server_error"},
        {"message", refusal.message}};
    events_.tell("response.failed", {{"response", std::move(failed)}});
  }

  void collect(runtime::Delta delta) override { take(delta); }

  Json whole(const runtime::Usage& usage) override { return response(status(), usage_object(usage)); }

 private:
  std::string status() const {
    return end_ == ChoiceEnd::length || end_ == ChoiceEnd::content_filter ? "incomplete" : "completed";
  }

  Json response(const std::string& status, Json usage) const {
    Json object = {{"id", identity_.id},       {"object", "response"}, {"created_at", identity_.created},
                   {"status", status},         {"error", nullptr},     {"incomplete_details", nullptr},
                   {"model", identity_.model}, {"output", output_}};
    if (status == "incomplete")
      object["incomplete_details"] = {
          {"reason", end_ == ChoiceEnd::length ? "max_output_tokens" : "content_filter"}};
    object.update(options_.asked);
    object["usage"] = std::move(usage);
    return object;
  }

  void take(const runtime::Delta& delta) {
    CHECK(end_ == ChoiceEnd::none, "a response ends once");
    const auto thoughts = options_.reasoning_summary ? Item::Kind::summary : Item::Kind::reasoning;
    for (const runtime::LogprobEntry& each : delta.logprobs)
      if (each.of_answer) logprobs_.push_back(each);
    if (!delta.reasoning.empty()) add_text(thoughts, delta.reasoning);
    if (!delta.content.empty()) add_text(Item::Kind::message, delta.content);
    for (const runtime::ToolCallDelta& call : delta.tool_calls) add_call(call);
    if (!delta.ends()) return;
    end_ = delta.finish;
    close(status());
  }

  void add_text(Item::Kind kind, const std::string& text) {
    if (!open_ || open_->kind != kind) {
      close("completed");
      open_part(kind);
    }
    tell_text(text);
  }

  void tell_text(const std::string& text) {
    open_->text += text;
    Json event = place();
    event["delta"] = text;
    if (open_->kind == Item::Kind::message) {
      event["logprobs"] = logprob_entries(std::exchange(logprobs_, {}));
      for (const Json& each : event["logprobs"]) open_->logprobs.push_back(each);
    }
    events_.tell(std::string(words_of(open_->kind).text) + ".delta", event);
  }

  void add_call(const runtime::ToolCallDelta& call) {
    if (!open_ || open_->kind != Item::Kind::call || open_->call != call.index) {
      close("completed");
      open(Item::Kind::call, {{"id", item_id("fc_")},
                              {"type", "function_call"},
                              {"status", "in_progress"},
                              {"call_id", call.id},
                              {"name", call.name},
                              {"arguments", ""}});
      open_->call = call.index;
    }
    if (call.arguments.empty()) return;
    open_->text += call.arguments;
    Json event = place();
    event["delta"] = call.arguments;
    events_.tell("response.function_call_arguments.delta", event);
  }

  void open_part(Item::Kind kind) {
    if (kind == Item::Kind::message)
      open(kind, {{"id", item_id("msg_")},
                  {"type", "message"},
                  {"status", "in_progress"},
                  {"role", "assistant"},
                  {"content", Json::array()}});
    else
      open(kind, {{"id", item_id("rs_")},
                  {"type", "reasoning"},
                  {"status", "in_progress"},
                  {"summary", Json::array()},
                  {"content", Json::array()}});
    Json event = place();
    event["part"] = part();
    events_.tell(std::string(words_of(kind).part) + ".added", event);
  }

  void open(Item::Kind kind, Json object) {
    events_.tell("response.output_item.added", {{"output_index", output_.size()}, {"item", object}});
    open_ = Item{.kind = kind, .object = std::move(object), .index = output_.size()};
  }

  // The open item is whole, or was cut: then its status is "incomplete".
  void close(const std::string& status) {
    if (!open_) return;
    // Of tokens that were no text of their own, such as a stop string.
    if (open_->kind == Item::Kind::message && !logprobs_.empty()) tell_text("");
    if (open_->kind == Item::Kind::call)
      end_call();
    else
      end_part();
    open_->object["status"] = status;
    events_.tell("response.output_item.done", {{"output_index", open_->index}, {"item", open_->object}});
    output_.push_back(std::move(open_->object));
    open_.reset();
  }

  void end_call() {
    open_->object["arguments"] = open_->text;
    Json event = place();
    event["name"] = open_->object["name"];
    event["arguments"] = open_->text;
    events_.tell("response.function_call_arguments.done", event);
  }

  void end_part() {
    const PartWords words = words_of(open_->kind);
    Json said = place(), whole = place();
    said["text"] = open_->text;
    if (open_->kind == Item::Kind::message) said["logprobs"] = open_->logprobs;
    whole["part"] = part();
    events_.tell(std::string(words.text) + ".done", said);
    events_.tell(std::string(words.part) + ".done", whole);
    open_->object[words.list].push_back(whole["part"]);
  }

  // Where the open item stands, which its events begin with.
  Json place() const {
    Json event = {{"item_id", open_->object["id"]}, {"output_index", open_->index}};
    if (open_->kind != Item::Kind::call) event[words_of(open_->kind).index] = 0;
    return event;
  }

  // Of the open item, as far as it goes.
  Json part() const {
    Json object = {{"type", words_of(open_->kind).type}, {"text", open_->text}};
    if (open_->kind != Item::Kind::message) return object;
    object["annotations"] = Json::array();
    object["logprobs"] = open_->logprobs;
    return object;
  }

  std::string item_id(const std::string& prefix) const {
    return prefix + identity_.id + "_" + std::to_string(output_.size());
  }

  AnswerIdentity identity_;
  ResponseOptions options_;
  Events events_;
  Json output_ = Json::array();  // items that are whole
  std::optional<Item> open_;
  std::vector<runtime::LogprobEntry> logprobs_;  // of tokens whose text is not certain yet
  ChoiceEnd end_ = ChoiceEnd::none;
};

}  // namespace

std::unique_ptr<Answer> make_response_answer(AnswerIdentity identity, const ResponseOptions& options) {
  return std::make_unique<ResponseAnswer>(std::move(identity), options);
}

}  // namespace troupe::actors::edge::openai
