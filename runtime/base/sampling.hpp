// How a token is drawn, and what a draw yields: the words of kernels, scheduler and requests alike. Plain values.
#pragma once

#include <vector>

#include "runtime/base/ids.hpp"

namespace troupe {

struct SamplingParams {
  float temperature = 1;  // 0: greedy
  float top_p = 1;
  float min_p = 0;
  std::int32_t top_k = 0;  // 0: all
  std::uint64_t seed = 0;
  std::uint32_t choice = 0;    // which of a request's n choices
  std::int32_t logprobs = -1;  // alternatives to report; -1: no log-probability at all
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, SamplingParams& x) {
  return f(x.temperature, x.top_p, x.min_p, x.top_k, x.seed, x.choice, x.logprobs);
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
  TokenId token = 0;              // no_token: one of the row's logits is no number
  float logprob = 0;              // of the untempered distribution; set when it was asked for
  std::vector<TokenLogprob> top;  // most likely first, ties by lower id
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, SampledToken& x) {
  return f(x.token, x.logprob, x.top);
}

}  // namespace troupe
