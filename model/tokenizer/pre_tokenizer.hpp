// Cuts a text into the words within which byte pairs may merge, as Hugging Face's Split, ByteLevel and Metaspace do.
// Immutable; any thread.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer/pattern.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

// Of GPT-2; what "use_regex" stands for in a ByteLevel pre-tokenizer.
constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// What becomes of a match of the pattern.
enum class SplitBehavior {
  removed,               // it is dropped
  isolated,              // it stands alone
  merged_with_previous,  // it ends the word before it
  merged_with_next,      // it begins the word after it
  contiguous,            // it is joined with its neighbours that match
};

struct Split {
  Pattern pattern;
  SplitBehavior behavior = SplitBehavior::isolated;
  bool invert = false;  // the text between matches plays their role
};

// SentencePiece's way: ▁ in place of each space, and before a text that begins with none.
struct Metaspace {
  enum class Prepend { never, first, always };  // first: at the beginning of the whole text only
  Prepend prepend = Prepend::always;
  bool split = true;  // a word begins at each ▁
};

class PreTokenizer {
 public:
  // The words of one text. They point into that text and into this object.
  struct Words {
    std::vector<std::string_view> words;  // none is empty
    std::deque<std::string> rewritten;
  };

  // A text is one word.
  PreTokenizer() = default;
  explicit PreTokenizer(const Metaspace& metaspace);

  // First `splits`; then, if add_prefix_space, each word that
  // begins without a space gets one; then `last_splits`.
  PreTokenizer(std::vector<Split> splits, bool add_prefix_space, std::vector<Split> last_splits)
      : splits_(std::move(splits)),
        add_prefix_space_(add_prefix_space),
        last_splits_(std::move(last_splits)) {}

  // `text` is valid UTF-8; is_first: nothing stands before it. Refuses when a pattern's match limit is hit.
  Expected<Words> split(std::string_view text, bool is_first = true) const;

 private:
  std::optional<Metaspace::Prepend> metaspace_{};
  std::vector<Split> splits_{};
  bool add_prefix_space_ = false;
  std::vector<Split> last_splits_{};
};

}  // namespace troupe::model
