// What a tokenizer does to a text before it looks for words in it. Built once, then immutable; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/tokenizer/byte_range.hpp"
#include "model/tokenizer/nfc.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

class Normalizer {
 public:
  static constexpr std::size_t max_inserted_bytes =
      16;  // in place of one byte or more; what a text may grow by

  // Steps are done in the order of these calls. Inserted text has at most max_inserted_bytes.
  void add_nfc() { steps_.push_back(Nfc{}); }
  void add_prepend(std::string text) { steps_.push_back(Prepend{std::move(text)}); }  // if there is text
  void add_replace(std::string pattern, std::string content) {                        // pattern is not empty
    steps_.push_back(Replace{std::move(pattern), std::move(content)});
  }
  bool empty() const { return steps_.empty(); }

  // `text` is valid UTF-8, `plain` sorted and disjoint. Refuses what nfc() refuses.
  Expected<NormalizedText> apply(std::string_view text, std::span<const ByteRange> plain) const;

 private:
  struct Nfc {
    Expected<NormalizedText> operator()(const NormalizedText& text) const;
  };
  struct Prepend {
    std::string text;
    Expected<NormalizedText> operator()(const NormalizedText& text) const;
  };
  struct Replace {
    std::string pattern, content;
    Expected<NormalizedText> operator()(const NormalizedText& text) const;
  };

  std::vector<std::variant<Nfc, Prepend, Replace>> steps_;
};

}  // namespace troupe::model
