#include "model/output/markers.hpp"

#include <gtest/gtest.h>

#include <array>

namespace troupe::model {
namespace {

constexpr std::array markers{Marker{"<end>", 1}, Marker{"\n<end>", 2}, Marker{"<other>", 3}};

std::pair<std::size_t, int> scanned(std::string_view text) {
  const auto [before, marker] = scan_markers(text, markers);
  return {before, marker ? marker->next : 0};
}

TEST(ScanMarkers, FindsTheFirst) {
  EXPECT_EQ(scanned("ab<other><end>"), std::pair(std::size_t(2), 3));
  EXPECT_EQ(scanned("ab\n<end>"), std::pair(std::size_t(2), 2));
  EXPECT_EQ(scanned("ab <end>"), std::pair(std::size_t(3), 1));
  EXPECT_EQ(scanned("<e<end>"), std::pair(std::size_t(2), 1));
}

TEST(ScanMarkers, HoldsBackWhatMayBeginOne) {
  EXPECT_EQ(scanned("ab"), std::pair(std::size_t(2), 0));
  EXPECT_EQ(scanned("ab\n"), std::pair(std::size_t(2), 0));
  EXPECT_EQ(scanned("ab\n\n<en"), std::pair(std::size_t(3), 0));
  EXPECT_EQ(scanned("ab\n<o"), std::pair(std::size_t(3), 0));
  EXPECT_EQ(scanned("<"), std::pair(std::size_t(0), 0));
  EXPECT_EQ(scanned(""), std::pair(std::size_t(0), 0));
}

}  // namespace
}  // namespace troupe::model
