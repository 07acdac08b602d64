// Byte-pair encoding (Sennrich et al., 2016) over bytes. Built once, then immutable; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/base/ids.hpp"

namespace troupe::model {

class BytePairEncoding {
 public:
  // The token of each byte.
  explicit BytePairEncoding(const std::array<TokenId, 256>& byte_tokens) : byte_tokens_(byte_tokens) {}

  // Merges rank in the order of these calls; a pair named again takes the later rank.
  void add_merge(TokenId left, TokenId right, TokenId merged);
  // A word that is one token whatever the merges say ("ignore_merges").
  void add_word(std::string bytes, TokenId id) { words_.emplace(std::move(bytes), id); }

  // Buffers that one caller keeps from word to word.
  class Workspace {
    friend class BytePairEncoding;
    struct Symbol {
      TokenId token;  // gone: was merged into an earlier symbol
      std::size_t previous, next;
    };
    struct Candidate {
      int rank;
      std::size_t left;  // index of a symbol
      TokenId merged;
      bool operator>(const Candidate& other) const {
        return rank != other.rank ? rank > other.rank : left > other.left;
      }
    };
    std::vector<Symbol> symbols_;
    std::vector<Candidate> heap_;  // the lowest rank, then the leftmost, on top
  };

  // Appends the tokens of `word`: again and again the pair of lowest rank merges, the leftmost first. Takes
  // O(n log n) for n bytes.
  void encode(std::string_view word, Workspace& workspace, std::vector<TokenId>& tokens) const;

 private:
  struct Merge {
    int rank;
    TokenId merged;
  };
  struct PairHash {
    std::size_t operator()(std::uint64_t pair) const {
      pair *= 0x9E3779B97F4A7C15u;  // Fibonacci hashing
      return static_cast<std::size_t>(pair ^ pair >> 32);
    }
  };
  static std::uint64_t pair(TokenId left, TokenId right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  }
  const Merge* find(TokenId left, TokenId right) const;
  void consider(std::size_t left, Workspace& workspace) const;

  std::array<TokenId, 256> byte_tokens_;
  std::unordered_map<std::uint64_t, Merge, PairHash> merges_;
  std::unordered_map<std::string, TokenId> words_;
  int next_rank_ = 0;
};

}  // namespace troupe::model
