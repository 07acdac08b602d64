// Byte-pair encoding (Sennrich et al., 2016) over bytes, or over characters with bytes for those that are no token. Built once,
// then immutable; any thread.
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
  static constexpr TokenId no_token = -1;

  // The token of each byte, or no_token.
  explicit BytePairEncoding(const std::array<TokenId, 256>& byte_tokens) : byte_tokens_(byte_tokens) {}

  // Merges rank in the order of these calls, or as they say; a pair named again takes the later rank.
  void add_merge(TokenId left, TokenId right, TokenId merged) {
    add_merge(left, right, merged, next_rank_++);
  }
  void add_merge(TokenId left, TokenId right, TokenId merged, int rank);
  // One character, in UTF-8, that a word begins as in place of its bytes.
  void add_character(std::string_view character, TokenId id) { characters_.emplace(packed(character), id); }
  // What stands for a character, or byte, that has no token; without it, such are left out, and what is around them merges
  // unless part_at_unknown() was called. fused: for several in a row, once.
  void set_unknown(TokenId id, bool fused) {
    unknown_ = id;
    fuses_unknown_ = fused;
  }
  void part_at_unknown() { parts_at_unknown_ = true; }
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
    // Also `gone`: nothing merges over it.
    void add(TokenId token) { symbols_.push_back({token, symbols_.size() - 1, symbols_.size() + 1}); }

    std::vector<Symbol> symbols_;
    std::vector<Candidate> heap_;  // the lowest rank, then the leftmost, on top
  };

  // Appends the tokens of `word`, which is valid UTF-8 where there are characters: again and again the pair of lowest rank
  // merges, the leftmost first. Takes O(n log n) for n bytes.
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
  static std::uint32_t packed(std::string_view character) {
    std::uint32_t bytes = 0;
    for (const unsigned char byte : character) bytes = bytes << 8 | byte;
    return bytes;
  }
  void begin(std::string_view word, Workspace& workspace) const;
  void begin_unknown(Workspace& workspace) const;
  const Merge* find(TokenId left, TokenId right) const;
  void consider(std::size_t left, Workspace& workspace) const;

  std::array<TokenId, 256> byte_tokens_;
  std::unordered_map<std::uint64_t, Merge, PairHash> merges_;
  std::unordered_map<std::uint32_t, TokenId> characters_;
  TokenId unknown_ = no_token;
  bool fuses_unknown_ = false, parts_at_unknown_ = false;
  std::unordered_map<std::string, TokenId> words_;
  int next_rank_ = 0;
};

}  // namespace troupe::model
