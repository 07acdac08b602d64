#include <algorithm>
#include <numeric>
#include <span>

#include "actors/edge/collected_choice.hpp"
#include "actors/edge/openai/chunked_answer.hpp"
#include "runtime/base/utf8.hpp"

namespace troupe::actors::edge::openai {
namespace {

// Characters that begin in bytes; the parts of one character that is split over tokens count once.
std::int64_t characters_begun(const std::string& bytes) {
  std::int64_t count = 0;
  for (const char byte : bytes) count += !continues_character(byte);
  return count;
}

class CompletionAnswer final : public ChunkedAnswer {
 public:
  CompletionAnswer(AnswerIdentity identity, const AnswerOptions& options)
      : ChunkedAnswer(std::move(identity), options), choices_(options.choices) {}

  std::optional<Json> chunk(const runtime::Delta& delta) override {
    const bool says = !delta.content.empty() || !delta.logprobs.empty() || delta.ends();
    if (!says && !tells_ids(delta)) return std::nullopt;
    Choice& so_far = choices_.at(std::size_t(delta.choice));
    CollectedChoice news;
    news.add(delta);
    Json choice = choice_object(std::size_t(delta.choice), news, so_far.characters);
    if (options().return_token_ids) {
      choice["prompt_token_ids"] = so_far.begun ? Json() : Json(delta.prompt_token_ids);
      choice["token_ids"] = delta.token_ids;
    }
    so_far.begun = true;
    return object("text_completion", Json::array({std::move(choice)}));
  }

  Json usage_chunk(const runtime::Usage& usage) const override {
    Json chunk = object("text_completion", Json::array());
    chunk["usage"] = usage_object(usage);
    return chunk;
  }

  void collect(runtime::Delta delta) override {
    CollectedChoice& choice = choices_.at(std::size_t(delta.choice)).collected;
    choice.add(std::move(delta));
  }

  Json whole(const runtime::Usage& usage) override {
    Json choices = Json::array();
    for (const std::size_t i : shown()) {
      CollectedChoice& each = choices_[i].collected;
      if (options().hide_logprobs) each.logprobs.clear();
      choices.push_back(choice_object(choices.size(), each, choices_[i].characters));
      if (!each.prompt_logprobs.empty())
        choices.back()["prompt_logprobs"] = prompt_logprobs_array(each.prompt_logprobs);
      if (!options().return_token_ids) continue;
      choices.back()["prompt_token_ids"] = each.prompt_token_ids;
      choices.back()["token_ids"] = each.token_ids;
    }
    Json answer = object("text_completion", std::move(choices));
    answer["usage"] = usage_object(usage);
    return answer;
  }

 private:
  struct Choice {
    bool begun = false;
    CollectedChoice collected;
    std::int64_t characters = 0;  // that have begun in the tokens before
  };

  // The choices that the client sees, by prompt, the best first where they were chosen.
  std::vector<std::size_t> shown() const {
    std::vector<std::size_t> order(choices_.size());
    std::iota(order.begin(), order.end(), std::size_t(0));
    if (options().best_of == options().shown) return order;
    std::vector<std::size_t> best;
    for (auto first = order.begin(); first != order.end(); first += options().best_of) {
      std::ranges::stable_sort(first, first + options().best_of, {},
                               [this](std::size_t i) { return unlikeliness(choices_[i].collected); });
      best.insert(best.end(), first, first + options().shown);
    }
    return best;
  }

  // The average of its own tokens: those of an echoed prompt come before them.
  static double unlikeliness(const CollectedChoice& choice) {
    const std::size_t own = std::min(choice.token_ids.size(), choice.logprobs.size());
    double sum = 0;
    for (const runtime::LogprobEntry& each : std::span(choice.logprobs).last(own)) sum += each.chosen.logprob;
    return own == 0 ? 0 : -sum / double(own);
  }

  Json choice_object(std::size_t index, const CollectedChoice& choice, std::int64_t& characters) const {
    return {{"index", index},
            {"text", choice.content},
            {"logprobs", logprobs_object(choice, characters)},
            {"finish_reason", text_or_null(to_string(choice.finish))},
            {"stop_reason", stop_reason(choice)}};
  }

  Json logprobs_object(const CollectedChoice& choice, std::int64_t& characters) const {
    const std::vector<runtime::LogprobEntry>& entries = choice.logprobs;
    if (entries.empty()) return nullptr;
    Json tokens = Json::array(), logprobs = Json::array(), tops = Json::array(), offsets = Json::array();
    for (const runtime::LogprobEntry& entry : entries) {
      Json top = Json::object();
      for (const runtime::LogprobToken& each : entry.top) top[name_of(each)] = finite_logprob(each.logprob);
      top[name_of(entry.chosen)] = finite_logprob(entry.chosen.logprob);
      tokens.push_back(name_of(entry.chosen));
      // Nothing stands before a prompt's first token: it has no probability.
      logprobs.push_back(entry.first_of_prompt ? Json() : Json(finite_logprob(entry.chosen.logprob)));
      tops.push_back(entry.first_of_prompt ? Json() : std::move(top));
      offsets.push_back(characters);
      if (!is_before_text(entry, choice.content)) characters += characters_begun(entry.chosen.bytes);
    }
    return {{"tokens", std::move(tokens)},
            {"token_logprobs", std::move(logprobs)},
            {"top_logprobs", std::move(tops)},
            {"text_offset", std::move(offsets)}};
  }

  // The token that begins every prompt, where an echo does not show it. text: the echo and what follows it.
  static bool is_before_text(const runtime::LogprobEntry& entry, const std::string& text) {
    return entry.first_of_prompt && entry.chosen.special && !text.starts_with(entry.chosen.bytes);
  }

  std::vector<Choice> choices_;
};

}  // namespace

std::unique_ptr<ChunkedAnswer> make_completion_answer(AnswerIdentity identity, const AnswerOptions& options) {
  return std::make_unique<CompletionAnswer>(std::move(identity), options);
}

}  // namespace troupe::actors::edge::openai
