#include "runtime/base/shared_value.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace troupe {
namespace {

TEST(SharedValue, CopiesHoldOneValue) {
  const SharedValue<std::vector<int>> list{1, 2};
  const std::vector<SharedValue<std::vector<int>>> copies(3, list);
  for (const auto& each : copies) EXPECT_EQ(&*each, &*list);
  EXPECT_EQ(list->size(), 2u);
}

TEST(SharedValue, IsComparedByItsValue) {
  SharedValue<std::string> a = "same", b = std::string("same");
  EXPECT_NE(&*a, &*b);
  EXPECT_EQ(a, b);
  EXPECT_EQ(a, "same");
  b = "other";
  EXPECT_FALSE(a == b);
  EXPECT_EQ(SharedValue<std::string>(), "");
}

// Inspectors as CAF has them, of one value.
struct Writer {
  using result_type = bool;
  static constexpr bool reads_state = true;
  std::string wire;
  bool operator()(const std::string& value) {
    wire = value;
    return true;
  }
};
struct Reader {
  using result_type = bool;
  static constexpr bool reads_state = false;
  std::string wire;
  bool operator()(std::string& value) {
    value = wire;
    return true;
  }
};

TEST(SharedValue, CrossesANetworkAsItsValue) {
  SharedValue<std::string> sent = "text", received;
  Writer writer;
  EXPECT_TRUE(inspect(writer, sent));
  Reader reader{writer.wire};
  EXPECT_TRUE(inspect(reader, received));
  EXPECT_EQ(received, sent);
}

}  // namespace
}  // namespace troupe
