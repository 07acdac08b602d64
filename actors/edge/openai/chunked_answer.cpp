#include "actors/edge/openai/chunked_answer.hpp"

#include <algorithm>

#include "actors/edge/logprobs.hpp"
#include "actors/edge/reply.hpp"

namespace troupe::actors::edge::openai {

Json usage_object(const runtime::Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}},
          {"completion_tokens_details", {{"reasoning_tokens", usage.reasoning_tokens}}}};
}

Json usage_so_far(const runtime::Usage& usage) {
  Json so_far = usage_object(usage);
  so_far.erase("prompt_tokens_details");
  so_far.erase("completion_tokens_details");
  return so_far;
}

ChunkedAnswer::ChunkedAnswer(AnswerIdentity identity, const AnswerOptions& options)
    : identity_(std::move(identity)), options_(options), finished_(options.choices) {}

Json ChunkedAnswer::object(const char* kind, Json choices) const {
  return {{"id", identity_.id},
          {"object", kind},
          {"created", identity_.created},
          {"model", identity_.model},
          {"choices", std::move(choices)},
          {"system_fingerprint", identity_.fingerprint}};
}

Json ChunkedAnswer::prompt_logprobs_array(const std::vector<runtime::LogprobEntry>& entries) {
  Json array = Json::array();
  for (const runtime::LogprobEntry& entry : entries) {
    if (entry.first_of_prompt) {
      array.push_back(nullptr);
      continue;
    }
    Json tokens = Json::object();
    const auto add = [&](const runtime::LogprobToken& token, std::int32_t rank) {
      tokens[std::to_string(token.token)] = {{"logprob", finite_logprob(token.logprob)},
                                             {"rank", rank},
                                             {"decoded_token", token_text(token.bytes)}};
    };
    add(entry.chosen, entry.rank);
    for (std::size_t i = 0; i < entry.top.size(); ++i) add(entry.top[i], std::int32_t(i) + 1);
    array.push_back(std::move(tokens));
  }
  return array;
}

std::string ChunkedAnswer::name_of(const runtime::LogprobToken& token) const {
  return token_name(token, options_.tokens_as_ids);
}

void ChunkedAnswer::begin(const runtime::Usage& usage, std::string&) {
  so_far_ = usage;
}

void ChunkedAnswer::delta(const runtime::Delta& delta, std::string& out) {
  CHECK(!done_ && !finished_.at(std::size_t(delta.choice)), "a choice ends once");
  finished_[std::size_t(delta.choice)] = delta.ends();
  so_far_.completion_tokens += std::ssize(delta.token_ids);
  std::optional<Json> chunk = this->chunk(delta);
  if (!chunk) return;
  if (options_.continuous_usage)
    (*chunk)["usage"] = usage_so_far(so_far_);
  else if (options_.include_usage)
    (*chunk)["usage"] = nullptr;  // so that clients may look at it in every chunk
  append_event(dump(*chunk), out);
}

void ChunkedAnswer::end(const runtime::Usage& usage, std::string& out) {
  CHECK(std::ranges::all_of(finished_, [](bool each) { return each; }), "every choice has ended");
  if (options_.include_usage) append_event(dump(usage_chunk(usage)), out);
  done(out);
}

void ChunkedAnswer::failure(const Refusal& refusal, std::string& out) {
  append_event(dump(error_object(refusal)), out);
  done(out);
}

void ChunkedAnswer::done(std::string& out) {
  CHECK(!done_, "a stream ends once");
  done_ = true;
  append_event("[DONE]", out);
}

}  // namespace troupe::actors::edge::openai
