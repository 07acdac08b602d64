// Tells when an answer goes round in circles, by its own tokens alone: what a batch, a prompt or a replay does has no say.
// One for each choice; not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/base/ids.hpp"

namespace troupe::runtime {

struct RepetitionLimits {
  std::int32_t ngram = 0;  // tokens of the longest n-gram that counts; 0: there is no guard
  std::int32_t repeats =
      0;  // how often one of that length stands at the end; a shorter one fills as many tokens
};

class RepetitionGuard {
 public:
  explicit RepetitionGuard(RepetitionLimits limits)
      : limits_(limits), last_(std::size_t(limits.ngram)), runs_(std::size_t(limits.ngram)) {}

  // Takes the answer's next token. True: its last ngram * repeats tokens are one n-gram of at most `ngram` tokens, again and
  // again. O(ngram).
  bool push(TokenId token);

 private:
  RepetitionLimits limits_;
  std::vector<TokenId> last_;       // the last tokens: token i at i % ngram
  std::vector<std::int32_t> runs_;  // [n - 1]: how many tokens up to the last are each as the one n before
  std::int64_t pushed_ = 0;
};

}  // namespace troupe::runtime
