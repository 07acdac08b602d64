// A pattern of a filter's rule, in PCRE2's syntax, sought in text that may go on. It is interpreted, not compiled to machine
// code, whose steps count otherwise for texts that end and texts that may go on. Immutable; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

struct pcre2_real_code_8;

namespace troupe::runtime {

class FilterPattern {
 public:
  static constexpr std::size_t max_bytes = 4096;
  static constexpr std::uint32_t match_limit = 50'000;     // steps of PCRE2 at one place of a text
  static constexpr std::uint32_t heap_limit = 4096;        // KiB that they may take
  static constexpr std::uint32_t most_lookbehind = 64;     // characters
  static constexpr std::uint32_t most_nested_groups = 64;  // parentheses

  // Throws std::invalid_argument that says what is wrong with the pattern.
  explicit FilterPattern(std::string_view pcre2);

  enum class Outcome : std::uint8_t {
    nothing,  // whatever follows
    match,    // likewise; [begin, end), not empty
    open,     // from `begin` on what follows decides
    too_hard  // a limit was hit, at `begin` or behind it
  };
  struct Found {
    Outcome outcome = Outcome::nothing;
    std::size_t begin = 0, end = 0;
  };
  // text: UTF-8, whole characters; begins: nothing stands before it. The first match that begins at `from` or behind it.
  Found search(std::string_view text, std::size_t from, bool begins) const;
  // The match that begins at `at`, of a text that ends here.
  Found match_at(std::string_view text, std::size_t at, bool begins) const;

  std::size_t lookbehind() const {
    return lookbehind_;
  }  // bytes before a match that may decide on it, at most

 private:
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
  };
  Found run(std::string_view text, std::size_t from, std::uint32_t options) const;

  std::unique_ptr<pcre2_real_code_8, Free> code_;
  std::size_t lookbehind_ = 0;
};

}  // namespace troupe::runtime
