#include "actors/edge/tgi/generate_answer.hpp"

#include "actors/edge/collected_choice.hpp"
#include "actors/edge/reply.hpp"
#include "actors/edge/tgi/endpoints.hpp"
#include "model/tokenizer/utf8.hpp"

namespace troupe::actors::edge::tgi {
namespace {

using runtime::ChoiceEnd;
using runtime::LogprobEntry;
using runtime::LogprobToken;

const char* finish_reason(const CollectedChoice& choice) {
  if (choice.finish == ChoiceEnd::length) return "length";
  // TGI has no word for a filter; the text was ended by what would have stood in it.
  const bool by_text = !choice.stop_reason.empty() || choice.finish == ChoiceEnd::content_filter;
  return by_text ? "stop_sequence" : "eos_token";
}

// TGI's clients know no blanks behind the colon.
void append_tgi_event(const Json& event, std::string& out) {
  out.append("data:").append(dump(event)).append("\n\n");
}

class GenerateAnswer final : public Answer {
 public:
  explicit GenerateAnswer(const GenerateOptions& options) : options_(options) {}

  void begin(const runtime::Usage& usage, std::string&) override { prompt_tokens_ = usage.prompt_tokens; }

  // A token's event waits for the next token, since the last one says more.
  void delta(const runtime::Delta& delta, std::string& out) override {
    for (const LogprobEntry& entry : delta.logprobs) {
      if (last_) append_tgi_event(*last_, out);
      last_ = {{"index", ++index_},
               {"token", token_object(entry.chosen)},
               {"generated_text", nullptr},
               {"details", nullptr}};
      if (options_.top_tokens) (*last_)["top_tokens"] = top_tokens(entry);
    }
    choice_.add(delta);
  }

  void end(const runtime::Usage& usage, std::string& out) override {
    CHECK(last_, "a text has a token");
    (*last_)["generated_text"] = options_.before + choice_.content;
    (*last_)["details"] = {{"finish_reason", finish_reason(choice_)},
                           {"generated_tokens", usage.completion_tokens},
                           {"seed", seed()},
                           {"input_length", prompt_tokens_}};
    append_tgi_event(*last_, out);
  }

  void failure(const Refusal& refusal, std::string& out) override {
    if (last_) append_tgi_event(*last_, out);
    append_tgi_event(error_object(refusal), out);
  }

  void collect(runtime::Delta delta) override { choice_.add(std::move(delta)); }

  Json whole(const runtime::Usage& usage) override {
    Json answer = {{"generated_text", options_.before + choice_.content}};
    if (options_.details) answer["details"] = details(usage);
    return options_.in_array ? Json::array({std::move(answer)}) : answer;
  }

 private:
  Json seed() const { return options_.seed ? Json(*options_.seed) : Json(); }

  Json details(const runtime::Usage& usage) {
    Json prefill = Json::array(), tokens = Json::array(), tops = Json::array();
    if (options_.prefill)
      for (const LogprobEntry& entry : choice_.prompt_logprobs) prefill.push_back(prefill_object(entry));
    for (const LogprobEntry& entry : choice_.logprobs) {
      tokens.push_back(token_object(entry.chosen));
      if (options_.top_tokens) tops.push_back(top_tokens(entry));
    }
    Json object = {{"finish_reason", finish_reason(choice_)},
                   {"generated_tokens", usage.completion_tokens},
                   {"seed", seed()},
                   {"prefill", std::move(prefill)},
                   {"tokens", std::move(tokens)}};
    if (options_.top_tokens) object["top_tokens"] = std::move(tops);
    return object;
  }

  // The text is what became certain with the token: whole characters.
  Json token_object(const LogprobToken& token) {
    std::string text;
    characters_.push(token.bytes, text);
    return {{"id", token.token},
            {"text", std::move(text)},
            {"logprob", finite_logprob(token.logprob)},
            {"special", token.special}};
  }

  static Json top_tokens(const LogprobEntry& entry) {
    Json all = Json::array();
    for (const LogprobToken& each : entry.top)
      all.push_back({{"id", each.token},
                     {"text", token_text(each.bytes)},
                     {"logprob", finite_logprob(each.logprob)},
                     {"special", each.special}});
    return all;
  }

  static Json prefill_object(const LogprobEntry& entry) {
    const LogprobToken& token = entry.chosen;
    return {{"id", token.token},
            {"text", token_text(token.bytes)},
            {"logprob", entry.first_of_prompt ? Json() : Json(finite_logprob(token.logprob))}};
  }

  GenerateOptions options_;
  CollectedChoice choice_;
  model::Utf8Repair characters_;
  std::int64_t prompt_tokens_ = 0, index_ = 0;
  std::optional<Json> last_;  // event that has not been told
};

}  // namespace

std::unique_ptr<Answer> make_generate_answer(const GenerateOptions& options) {
  return std::make_unique<GenerateAnswer>(options);
}

}  // namespace troupe::actors::edge::tgi
