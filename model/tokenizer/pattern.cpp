#define PCRE2_CODE_UNIT_WIDTH 8
#include "model/tokenizer/pattern.hpp"

#include <pcre2.h>

#include <stdexcept>
#include <string>

#include "model/tokenizer/oniguruma.hpp"
#include "runtime/base/utf8.hpp"

namespace troupe::model {
namespace {

// What a search needs besides the compiled pattern, which threads share and this they must not.
class Search {
 public:
  Search()
      : data_(pcre2_match_data_create(1, nullptr)),
        context_(pcre2_match_context_create(nullptr)),
        stack_(pcre2_jit_stack_create(32 * 1024, Pattern::jit_stack_limit, nullptr)) {
    CHECK(data_ != nullptr && context_ != nullptr, "out of memory");
    pcre2_set_match_limit(context_, Pattern::match_limit);
    // Without JIT there is no stack to assign, and PCRE2 interprets.
    if (stack_ != nullptr) pcre2_jit_stack_assign(context_, nullptr, stack_);
  }
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;
  ~Search() {
    pcre2_jit_stack_free(stack_);
    pcre2_match_context_free(context_);
    pcre2_match_data_free(data_);
  }

  // PCRE2's return code: negative when there is no match or a limit was hit.
  int run(const pcre2_code* code, std::string_view text, std::size_t from) {
    return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, PCRE2_NO_UTF_CHECK,
                       data_, context_);
  }
  ByteRange match() const {
    const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data_);
    return {offsets[0], offsets[1]};
  }

 private:
  pcre2_match_data* data_;
  pcre2_match_context* context_;
  pcre2_jit_stack* stack_;
};

std::string message_of(int error) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(error, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace

void Pattern::Free::operator()(pcre2_code* code) const {
  pcre2_code_free(code);
}

Pattern::Pattern(std::string_view pcre2, std::uint32_t options) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pcre2.data()), pcre2.size(), PCRE2_UTF | options,
                            &error, &offset, nullptr));
  if (!code_) throw std::invalid_argument("at byte " + std::to_string(offset) + ": " + message_of(error));
  pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // where that fails, PCRE2 interprets
}

Pattern Pattern::regex(std::string_view oniguruma) {
  return Pattern(pcre2_from_oniguruma(oniguruma), PCRE2_UCP | PCRE2_MULTILINE);
}

Pattern Pattern::literal(std::string_view text) {
  return Pattern(text, PCRE2_LITERAL);
}

Expected<void> Pattern::find_all(std::string_view text, std::vector<ByteRange>& matches) const {
  thread_local Search search;
  std::size_t from = 0;
  std::size_t last_end = std::string_view::npos;
  while (from <= text.size()) {
    const int code = search.run(code_.get(), text, from);
    if (code == PCRE2_ERROR_NOMATCH) break;
    if (code < 0) return refuse("the text is too hard for the tokenizer's pattern: " + message_of(code));
    const ByteRange match = search.match();
    CHECK(from <= match.begin && match.begin <= match.end && match.end <= text.size());
    if (match.begin == match.end && match.end == last_end) {
      from = character_from(text, from + 1);  // no empty match right after a match, as in Hugging Face's loop
      continue;
    }
    matches.push_back(match);
    from = last_end = match.end;
  }
  return {};
}

}  // namespace troupe::model
