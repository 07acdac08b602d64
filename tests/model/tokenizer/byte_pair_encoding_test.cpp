#include "model/tokenizer/byte_pair_encoding.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <numeric>

namespace troupe::model {
namespace {

using Ids = std::vector<TokenId>;
struct Merge {
  TokenId left, right, merged;
};

std::array<TokenId, 256> bytes_are_tokens() {
  std::array<TokenId, 256> tokens;
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}
BytePairEncoding encoding_of(const std::vector<Merge>& merges) {
  BytePairEncoding bpe(bytes_are_tokens());
  for (const auto& [left, right, merged] : merges) bpe.add_merge(left, right, merged);
  return bpe;
}
Ids encoded(const BytePairEncoding& bpe, std::string_view word) {
  BytePairEncoding::Workspace workspace;
  Ids ids;
  bpe.encode(word, workspace, ids);
  return ids;
}

// The definition, in quadratic time.
Ids by_definition(const std::vector<Merge>& merges, std::string_view word) {
  Ids ids;
  for (const char c : word) ids.push_back(static_cast<unsigned char>(c));
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto& [left, right, merged] : merges) {
      for (std::size_t i = 0; i + 1 < ids.size() && !changed; ++i) {
        if (ids[i] != left || ids[i + 1] != right) continue;
        ids[i] = merged;
        ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        changed = true;
      }
      if (changed) break;
    }
  }
  return ids;
}

TEST(BytePairEncoding, LowestRankThenLeftmost) {
  const BytePairEncoding bpe = encoding_of({{'b', 'c', 256}, {'a', 'b', 257}, {'a', 'a', 258}});
  EXPECT_EQ(encoded(bpe, "abc"), (Ids{'a', 256}));
  EXPECT_EQ(encoded(bpe, "abb"), (Ids{257, 'b'}));
  EXPECT_EQ(encoded(bpe, "aaa"), (Ids{258, 'a'}));
  EXPECT_EQ(encoded(bpe, ""), Ids{});
}

TEST(BytePairEncoding, WholeWordsComeFirst) {
  BytePairEncoding bpe = encoding_of({{'a', 'b', 256}});
  bpe.add_word("abc", 300);
  EXPECT_EQ(encoded(bpe, "abc"), Ids{300});
  EXPECT_EQ(encoded(bpe, "abcd"), (Ids{256, 'c', 'd'}));
}

TEST(BytePairEncoding, CharactersThatAreTokensAreNoBytes) {
  BytePairEncoding bpe(bytes_are_tokens());
  bpe.add_character("ü", 256);
  bpe.add_character("汉", 257);
  bpe.add_merge(256, 257, 258);
  EXPECT_EQ(encoded(bpe, "aü汉ß"), (Ids{'a', 258, 0xC3, 0x9F}));
  EXPECT_EQ(encoded(bpe, "😀ü"), (Ids{0xF0, 0x9F, 0x98, 0x80, 256}));
}

TEST(BytePairEncoding, OfEqualRanksTheLeftmostMerges) {
  BytePairEncoding bpe(bytes_are_tokens());
  bpe.add_merge('b', 'c', 256, 3);
  bpe.add_merge('a', 'b', 257, 3);
  bpe.add_merge('c', 'd', 258, 1);
  EXPECT_EQ(encoded(bpe, "abc"), (Ids{257, 'c'}));
  EXPECT_EQ(encoded(bpe, "bcd"), (Ids{'b', 258}));
}

RC_GTEST_PROP(BytePairEncodingProperty, IsTheDefinition, ()) {
  std::vector<Merge> merges;
  std::vector<std::string> names;  // of tokens 256 and up
  const auto name = [&](TokenId id) {
    return id < 256 ? std::string(1, static_cast<char>(id)) : names[static_cast<std::size_t>(id - 256)];
  };
  for (int i = *rc::gen::inRange(0, 12); i > 0; --i) {
    std::vector<TokenId> known{'a', 'b', 'c'};
    for (std::size_t n = 0; n < names.size(); ++n) known.push_back(256 + static_cast<TokenId>(n));
    const TokenId left = *rc::gen::elementOf(known);
    const TokenId right = *rc::gen::elementOf(known);
    const std::string merged = name(left) + name(right);
    const auto found = std::find(names.begin(), names.end(), merged);
    const auto id = 256 + static_cast<TokenId>(found - names.begin());
    const bool repeated = std::any_of(merges.begin(), merges.end(),
                                      [&](const Merge& m) { return m.left == left && m.right == right; });
    if (found == names.end()) names.push_back(merged);
    if (!repeated) merges.push_back({left, right, id});
  }
  const auto word = *rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c'));
  RC_ASSERT(encoded(encoding_of(merges), word) == by_definition(merges, word));
}

}  // namespace
}  // namespace troupe::model
