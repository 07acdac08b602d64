#include "actors/edge/answer.hpp"

namespace troupe::actors::edge {
namespace {

// Characters that begin in bytes; the parts of one character that is split over tokens count once.
std::int64_t characters_begun(const std::string& bytes) {
  std::int64_t count = 0;
  for (const unsigned char byte : bytes) count += (byte & 0xC0) != 0x80;
  return count;
}

class CompletionAnswer final : public Answer {
 public:
  CompletionAnswer(AnswerIdentity identity, std::size_t choices)
      : identity_(std::move(identity)), choices_(choices) {}

  std::optional<Json> chunk(const runtime::Delta& delta) override {
    if (delta.content.empty() && delta.logprobs.empty() && !delta.ends()) return std::nullopt;
    Json logprobs;
    append_logprobs(delta, logprobs);
    return answer_object(identity_, "text_completion",
                         Json::array({choice_object(delta.choice, delta.content, std::move(logprobs),
                                                    delta.finish, delta.stop_reason)}));
  }

  Json usage_chunk(const runtime::Usage& usage) const override {
    Json chunk = answer_object(identity_, "text_completion", Json::array());
    chunk["usage"] = usage_object(usage);
    return chunk;
  }

  void collect(runtime::Delta delta) override {
    Choice& choice = choices_.at(delta.choice);
    choice.text += delta.content;
    append_logprobs(delta, choice.logprobs);
    if (!delta.ends()) return;
    choice.finish = delta.finish;
    choice.stop_reason = delta.stop_reason;
  }

  Json whole(const runtime::Usage& usage) override {
    Json choices = Json::array();
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      Choice& each = choices_[i];
      choices.push_back(
          choice_object(std::int32_t(i), each.text, std::move(each.logprobs), each.finish, each.stop_reason));
    }
    Json object = answer_object(identity_, "text_completion", std::move(choices));
    object["usage"] = usage_object(usage);
    return object;
  }

 private:
  struct Choice {
    std::string text;
    Json logprobs;
    std::int64_t characters = 0;  // that have begun in the tokens before
    runtime::ChoiceEnd finish = runtime::ChoiceEnd::none;
    std::string stop_reason;
  };

  static Json choice_object(std::int32_t index, const std::string& text, Json logprobs,
                            runtime::ChoiceEnd finish, const std::string& stop_reason) {
    return {{"index", index},
            {"text", text},
            {"logprobs", std::move(logprobs)},
            {"finish_reason", text_or_null(to_string(finish))},
            {"stop_reason", text_or_null(stop_reason)}};
  }

  void append_logprobs(const runtime::Delta& delta, Json& logprobs) {
    if (delta.logprobs.empty()) return;
    if (logprobs.is_null())
      logprobs = {{"tokens", Json::array()},
                  {"token_logprobs", Json::array()},
                  {"top_logprobs", Json::array()},
                  {"text_offset", Json::array()}};
    std::int64_t& characters = choices_.at(delta.choice).characters;
    for (const runtime::LogprobEntry& entry : delta.logprobs) {
      Json top = Json::object();
      for (const runtime::LogprobToken& each : entry.top)
        top[token_text(each.bytes)] = finite_logprob(each.logprob);
      top[token_text(entry.chosen.bytes)] = finite_logprob(entry.chosen.logprob);
      logprobs["tokens"].push_back(token_text(entry.chosen.bytes));
      logprobs["token_logprobs"].push_back(finite_logprob(entry.chosen.logprob));
      logprobs["top_logprobs"].push_back(std::move(top));
      logprobs["text_offset"].push_back(characters);
      characters += characters_begun(entry.chosen.bytes);
    }
  }

  AnswerIdentity identity_;
  std::vector<Choice> choices_;
};

}  // namespace

std::unique_ptr<Answer> make_completion_answer(AnswerIdentity identity, std::size_t choices) {
  return std::make_unique<CompletionAnswer>(std::move(identity), choices);
}

}  // namespace troupe::actors::edge
