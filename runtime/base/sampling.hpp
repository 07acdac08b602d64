// How a token is drawn, and what a draw yields: the words of kernels, scheduler and requests alike. Plain values.
#pragma once

#include <vector>

#include "runtime/base/grammar_spec.hpp"
#include "runtime/base/ids.hpp"
#include "runtime/base/shared_value.hpp"

namespace troupe {

struct SamplingParams {
  float temperature = 1;  // 0: greedy
  float top_p = 1;
  float min_p = 0;
  std::int32_t top_k = 0;  // 0: all
  std::uint64_t seed = 0;
  std::uint32_t choice = 0;           // which of a request's n choices
  std::int32_t logprobs = -1;         // alternatives to report; -1: no log-probability at all
  std::int32_t prompt_logprobs = -1;  // likewise for the prompt's tokens behind the first
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, SamplingParams& x) {
  return f(x.temperature, x.top_p, x.min_p, x.top_k, x.seed, x.choice, x.logprobs, x.prompt_logprobs);
}

struct TokenBias {
  TokenId token = 0;
  float bias = 0;  // added to its logit
  friend bool operator==(const TokenBias&, const TokenBias&) = default;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, TokenBias& x) {
  return f(x.token, x.bias);
}

// What changes a sequence's logits before a token is drawn from them, beyond a draw's own parameters. Names and meanings
// are vLLM's. They depend on the sequence's tokens alone, so that every rank, and a replay, does the same.
struct LogitRules {
  float repetition_penalty = 1;                                // of tokens in the prompt or the output
  float presence_penalty = 0, frequency_penalty = 0;           // of tokens in the output
  std::vector<TokenBias> bias{};                               // a token once
  SharedValue<std::vector<TokenId>> allowed{};                 // no other may come; empty: all may
  SharedValue<std::vector<std::vector<TokenId>>> bad_words{};  // none of them may be completed in the output
  std::int32_t min_tokens = 0;                                 // of output, before any of these may come
  std::vector<TokenId> ends{};
  // Past so many tokens of thought the model's own end of thinking must come. -1: no budget.
  std::int32_t thinking_budget = -1;
  TokenId begin_thinking = no_token, end_thinking = no_token;
  GrammarId grammar{};  // what the output must look like

  bool none() const { return *this == LogitRules(); }
  friend bool operator==(const LogitRules&, const LogitRules&) = default;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, LogitRules& x) {
  return f(x.repetition_penalty, x.presence_penalty, x.frequency_penalty, x.bias, x.allowed, x.bad_words,
           x.min_tokens, x.ends, x.thinking_budget, x.begin_thinking, x.end_thinking, x.grammar);
}

struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0;  // of the untempered distribution
  friend bool operator==(const TokenLogprob&, const TokenLogprob&) = default;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, TokenLogprob& x) {
  return f(x.token, x.logprob);
}

struct SampledToken {
  TokenId token = 0;              // no_token: one of the row's logits is no number; no_mask
  float logprob = 0;              // of the untempered distribution; set when it was asked for
  std::vector<TokenLogprob> top;  // most likely first, ties by lower id
  std::int32_t rank = 0;          // of a token that was given: 1 is the most likely
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, SampledToken& x) {
  return f(x.token, x.logprob, x.top, x.rank);
}

}  // namespace troupe
