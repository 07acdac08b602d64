// The settings that decide how much memory a rank takes besides its weights. They stand here because a worker, which knows
// what would fit, tells of them in a message. Plain value; any thread.
#pragma once

#include <cstdint>

namespace troupe::runtime {

struct StartSettings {
  std::int32_t max_num_seqs = 0;
  std::int32_t max_num_batched_tokens = 0;
  std::int32_t max_model_len = 0;  // 0, as the others: there is none
  bool known() const { return max_model_len > 0; }
  friend bool operator==(const StartSettings&, const StartSettings&) = default;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, StartSettings& x) {
  return f(x.max_num_seqs, x.max_num_batched_tokens, x.max_model_len);
}

}  // namespace troupe::runtime
