#include "actors/edge/retries/idempotency_key.hpp"

#include <gtest/gtest.h>

namespace troupe::actors::edge {
namespace {

TEST(IdempotencyKey, IsOfVisibleCharactersAndNotTooLong) {
  EXPECT_EQ(*read_idempotency_key("", 0), "");
  EXPECT_EQ(*read_idempotency_key("8e03978e-40d5-43dd-bc93-6894a57f9324", 1),
            "8e03978e-40d5-43dd-bc93-6894a57f9324");
  const std::string longest(max_idempotency_key_bytes, 'x');
  EXPECT_EQ(*read_idempotency_key(longest, 1), longest);
  for (const std::string& wrong : {std::string(), longest + "x", std::string("a b"), std::string("\xc3\xa9"),
                                   std::string("a\x7f"), std::string("a\tb")}) {
    const auto key = read_idempotency_key(wrong, 1);
    ASSERT_FALSE(key) << wrong;
    EXPECT_EQ(key.error().code, "invalid_idempotency_key");
  }
  EXPECT_FALSE(read_idempotency_key("a", 2)) << "which of them?";
}

TEST(IdempotencyKey, ARequestIsItsPathAndItsBody) {
  const std::string digest = digest_of_request("/v1/completions", "{}");
  EXPECT_EQ(digest.size(), 64u);
  EXPECT_EQ(digest, digest_of_request("/v1/completions", "{}"));
  EXPECT_NE(digest, digest_of_request("/v1/completions", "{ }"));
  EXPECT_NE(digest, digest_of_request("/v1/chat/completions", "{}"));
}

}  // namespace
}  // namespace troupe::actors::edge
