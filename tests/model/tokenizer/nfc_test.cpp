#include "model/tokenizer/nfc.hpp"

#include <gtest/gtest.h>

namespace troupe::model {
namespace {

TEST(Nfc, ComposesAndOrders) {
  EXPECT_EQ(nfc("plain", {})->text, "plain");
  EXPECT_EQ(nfc("e\u0301", {})->text, "\u00e9");
  EXPECT_EQ(nfc("q\u0307\u0323", {})->text, "q\u0323\u0307");
  EXPECT_EQ(nfc("\u1100\u1161\u11a8", {})->text, "\uac01");
  EXPECT_EQ(nfc("\u212b", {})->text, "\u00c5");
}

TEST(Nfc, MovesPlainRanges) {
  const std::string text = "ae\u0301be\u0301c";  // a 0, e 1, accent 2-3, b 4, e 5, accent 6-7, c 8
  EXPECT_EQ(nfc(text, std::vector<ByteRange>{{4, 5}})->plain, (std::vector<ByteRange>{{3, 4}}));
  EXPECT_EQ(nfc(text, std::vector<ByteRange>{{2, 3}})->plain, (std::vector<ByteRange>{{1, 3}}));
  EXPECT_EQ(nfc(text, std::vector<ByteRange>{{0, 1}, {8, 9}})->plain,
            (std::vector<ByteRange>{{0, 1}, {6, 7}}));
  EXPECT_EQ(nfc("abc", std::vector<ByteRange>{{0, 3}})->plain, (std::vector<ByteRange>{{0, 3}}));
}

TEST(Nfc, RefusesRunsOverTheLimit) {
  std::string marks;
  for (int i = 0; i < max_combining_run; ++i) marks += "\u0323";
  EXPECT_TRUE(nfc("a" + marks + "b" + marks, {}));
  EXPECT_FALSE(nfc("a" + marks + "\u0301", {}));
}

}  // namespace
}  // namespace troupe::model
