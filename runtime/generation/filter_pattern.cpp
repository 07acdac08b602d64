#define PCRE2_CODE_UNIT_WIDTH 8
#include "runtime/generation/filter_pattern.hpp"

#include <pcre2.h>

#include <stdexcept>
#include <string>

#include "runtime/base/error.hpp"

namespace troupe::runtime {
namespace {

constexpr std::size_t bytes_of_character = 4;  // at most, in UTF-8

struct FreeContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

// What a search needs besides the pattern, which threads share and this they must not.
struct Search {
  const std::unique_ptr<pcre2_match_data, FreeContext> data{pcre2_match_data_create(1, nullptr)};
  const std::unique_ptr<pcre2_match_context, FreeContext> context{pcre2_match_context_create(nullptr)};

  Search() {
    CHECK(data && context, "out of memory");
    pcre2_set_match_limit(context.get(), FilterPattern::match_limit);
    pcre2_set_heap_limit(context.get(), FilterPattern::heap_limit);
  }
};

[[noreturn]] void refuse_pattern(const std::string& why) {
  throw std::invalid_argument(why);
}

// What would tie a match to the place where the search for it began, which changes with the pieces of a text, or let it end
// where it did not.
void check_taken(std::string_view pattern) {
  for (std::size_t i = 0; i + 1 < pattern.size(); ++i) {
    const std::string_view two = pattern.substr(i, 2);
    if (two == "\\G" || two == "\\K" || two == "(*")
      refuse_pattern("at byte " + std::to_string(i) + ": " + std::string(two) + " is not taken here");
    // Of a control character the letter, too, which may be a backslash.
    if (pattern[i] == '\\') i += two == "\\c" ? 2 : 1;
  }
}

std::uint32_t fact(const pcre2_code* code, std::uint32_t which) {
  std::uint32_t value = 0;
  CHECK(pcre2_pattern_info(code, which, &value) == 0, "a compiled pattern has facts");
  return value;
}

}  // namespace

void FilterPattern::Free::operator()(pcre2_code* code) const {
  pcre2_code_free(code);
}

FilterPattern::FilterPattern(std::string_view pcre2) {
  if (pcre2.size() > max_bytes) refuse_pattern("has more than " + std::to_string(max_bytes) + " bytes");
  check_taken(pcre2);
  const std::unique_ptr<pcre2_compile_context, FreeContext> context(pcre2_compile_context_create(nullptr));
  CHECK(context, "out of memory");
  pcre2_set_parens_nest_limit(context.get(), most_nested_groups);
  int error = 0;
  PCRE2_SIZE offset = 0;
  code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pcre2.data()), pcre2.size(),
                            PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_DOTSTAR_ANCHOR, &error,
                            &offset, context.get()));
  if (!code_) {
    PCRE2_UCHAR message[256];
    pcre2_get_error_message(error, message, sizeof message);
    refuse_pattern("at byte " + std::to_string(offset) + ": " + reinterpret_cast<const char*>(message));
  }
  if (fact(code_.get(), PCRE2_INFO_MATCHEMPTY) != 0) refuse_pattern("it matches where there is nothing");
  const std::uint32_t behind = fact(code_.get(), PCRE2_INFO_MAXLOOKBEHIND);
  if (behind > most_lookbehind)
    refuse_pattern("it looks back by " + std::to_string(behind) + " characters, and may by " +
                   std::to_string(most_lookbehind));
  // One more, so that the beginning of what is kept is never taken for the text's.
  lookbehind_ = bytes_of_character * (behind + 1);
}

FilterPattern::Found FilterPattern::run(std::string_view text, std::size_t from,
                                        std::uint32_t options) const {
  thread_local const Search search;
  const int code =
      pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                  PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY | options, search.data.get(), search.context.get());
  if (code == PCRE2_ERROR_NOMATCH) return {};
  const PCRE2_SIZE* const offsets = pcre2_get_ovector_pointer(search.data.get());
  if (code == PCRE2_ERROR_PARTIAL) return {Outcome::open, offsets[0], offsets[1]};
  if (code < 0) return {Outcome::too_hard, from, from};
  CHECK(from <= offsets[0] && offsets[0] < offsets[1] && offsets[1] <= text.size());
  return {Outcome::match, offsets[0], offsets[1]};
}

FilterPattern::Found FilterPattern::search(std::string_view text, std::size_t from, bool begins) const {
  return run(text, from, PCRE2_PARTIAL_HARD | (begins ? 0u : PCRE2_NOTBOL));
}

FilterPattern::Found FilterPattern::match_at(std::string_view text, std::size_t at, bool begins) const {
  return run(text, at, PCRE2_ANCHORED | (begins ? 0u : PCRE2_NOTBOL));
}

}  // namespace troupe::runtime
