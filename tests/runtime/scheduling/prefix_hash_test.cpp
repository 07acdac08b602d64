#include "runtime/scheduling/prefix_hash.hpp"

#include <gtest/gtest.h>

#include <set>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/hex.hpp"

namespace troupe::runtime {
namespace {

std::string digits(const BlockHash& hash) {
  return hex(std::as_bytes(std::span(hash)));
}

// Expected values from Python's hashlib.
TEST(PrefixHash, IsSha256) {
  EXPECT_EQ(digits(prefix_root("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  // sha256(sha256(b"") + b"\0" + struct.pack("<3i", 1, 2, 300))
  EXPECT_EQ(digits(prefix_hash(prefix_root(""), ArithmeticClass::decode, std::vector<TokenId>{1, 2, 300})),
            "2109e251dd15f1ba4f6b0beeac04009d6b7ef96cc3f18bb3a7fbd4b50fb07b11");
}

TEST(PrefixHash, DependsOnSaltParentAndEveryToken) {
  const auto hash = [](std::string_view salt, const std::vector<TokenId>& first,
                       const std::vector<TokenId>& second) {
    const BlockHash parent = prefix_hash(prefix_root(salt), ArithmeticClass::decode, first);
    return prefix_hash(parent, ArithmeticClass::decode, second);
  };
  const std::set<BlockHash> hashes{hash("", {1, 2}, {3, 4}), hash("a", {1, 2}, {3, 4}),
                                   hash("", {0, 2}, {3, 4}), hash("", {1, 0}, {3, 4}),
                                   hash("", {1, 2}, {0, 4}), hash("", {1, 2}, {3, 0})};
  EXPECT_EQ(hashes.size(), 6u);
}

}  // namespace
}  // namespace troupe::runtime
