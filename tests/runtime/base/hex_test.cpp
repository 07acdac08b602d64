#include "runtime/base/hex.hpp"

#include <gtest/gtest.h>

#include <array>

namespace troupe {
namespace {

TEST(Hex, WritesTwoDigitsAByteUpperHalfFirst) {
  const std::array bytes{std::byte{0x00}, std::byte{0x0f}, std::byte{0xa1}, std::byte{0xff}};
  EXPECT_EQ(hex(bytes), "000fa1ff");
  EXPECT_EQ(hex({}), "");
}

}  // namespace
}  // namespace troupe
