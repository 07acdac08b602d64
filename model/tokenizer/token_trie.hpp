// Finds added tokens in a text. Built once, then immutable; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/tokenizer/byte_range.hpp"
#include "runtime/base/ids.hpp"

namespace troupe::model {

class TokenTrie {
 public:
  // A stretch of a text: one token, or the bytes between two.
  struct Stretch {
    ByteRange range;
    std::optional<TokenId> token;
  };

  void add(std::string_view content, TokenId id);  // content is not empty

  // Cuts `text` into stretches, none of them empty, from left to right. Of the tokens that begin at one place
  // the longest wins. No token touches a range of `plain`, which are sorted and disjoint.
  std::vector<Stretch> split(std::string_view text, std::span<const ByteRange> plain) const;

 private:
  using Node = std::uint32_t;
  static std::uint64_t edge(Node from, char byte) {
    return std::uint64_t{from} << 8 | static_cast<unsigned char>(byte);
  }
  std::optional<Stretch> longest_at(std::string_view text, std::size_t begin, std::size_t limit) const;

  // By node; 0 is the root.
  std::vector<std::optional<TokenId>> tokens_ = std::vector<std::optional<TokenId>>(1);
  std::unordered_map<std::uint64_t, Node> edges_;
};

// The parts of `ranges` (sorted, disjoint) that lie in `window`, counted from its begin.
std::vector<ByteRange> ranges_within(std::span<const ByteRange> ranges, ByteRange window);

}  // namespace troupe::model
