// A pattern that a tokenizer splits text with, compiled by PCRE2 with its JIT compiler where there is one.
// Immutable; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "model/tokenizer/byte_range.hpp"
#include "runtime/base/error.hpp"

struct pcre2_real_code_8;

namespace troupe::model {

class Pattern {
 public:
  static constexpr std::uint32_t match_limit = 10'000'000;     // steps of PCRE2 in the search for one match
  static constexpr std::size_t jit_stack_limit = 1024 * 1024;  // bytes for each thread that searches

  // Both throw std::invalid_argument that says what is wrong with the pattern, which is UTF-8.
  static Pattern regex(std::string_view oniguruma);
  static Pattern literal(std::string_view text);

  // Appends all matches in `text` (valid UTF-8), which do not overlap, in order; they may be empty. Refuses
  // when a match limit is hit.
  Expected<void> find_all(std::string_view text, std::vector<ByteRange>& matches) const;

 private:
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
  };
  Pattern(std::string_view pcre2, std::uint32_t options);

  std::unique_ptr<pcre2_real_code_8, Free> code_;
};

}  // namespace troupe::model
