#include "launch/plot/chart.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <sstream>

namespace troupe::launch::plot {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Of the first curve.
std::vector<std::pair<double, double>> places_of(const std::string& svg) {
  const std::size_t begin = svg.find("points=\"") + 8;
  std::istringstream points(svg.substr(begin, svg.find('"', begin) - begin));
  std::vector<std::pair<double, double>> places;
  char comma = 0;
  for (double x = 0, y = 0; points >> x >> comma >> y;) places.emplace_back(x, y);
  return places;
}

TEST(Chart, PutsGreaterValuesFurtherRightAndUp) {
  const auto places = places_of(draw({"t", {"x"}, {"y"}, {{"a", {{0, 0}, {5, 10}, {10, 100}}}}}).elements);
  ASSERT_EQ(places.size(), 3u);
  EXPECT_NEAR(places[1].first, (places[0].first + places[2].first) / 2, 0.11);
  EXPECT_NEAR(places[0].second - places[1].second, (places[0].second - places[2].second) / 10, 0.11);
}

TEST(Chart, ALogarithmicAxisHasEqualFactorsFarApartAlike) {
  const auto places =
      places_of(draw({"t", {"x", true}, {"y", true}, {{"a", {{1, 2}, {10, 20}, {100, 200}}}}}).elements);
  ASSERT_EQ(places.size(), 3u);
  EXPECT_NEAR(places[1].first, (places[0].first + places[2].first) / 2, 0.11);
  EXPECT_NEAR(places[1].second, (places[0].second + places[2].second) / 2, 0.11);
}

TEST(Chart, LeavesOutWhatHasNoPlace) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  const auto places =
      places_of(draw({"t", {"x", true}, {"y"}, {{"a", {{0, 1}, {none, 1}, {3, 1}}}}}).elements);
  EXPECT_EQ(places.size(), 1u);
  for (const Drawing& empty : {draw({"t", {"x"}, {"y"}, {}}), draw({"t", {"x", true}, {"y"}, {{"a", {}}}})})
    EXPECT_THAT(empty.elements, Not(HasSubstr("nan")));
}

TEST(Chart, NamesWhatIsDrawn) {
  const std::string svg =
      draw({"Time <to> it", {"ms"}, {"%"}, {{"fcfs", {{1, 1}}}, {"", {{2, 2}}, 1}}}).elements;
  EXPECT_THAT(svg, HasSubstr(">Time &lt;to> it<"));
  EXPECT_THAT(svg, HasSubstr(">fcfs<"));
  EXPECT_THAT(svg, HasSubstr("line1"));
}

TEST(Chart, ADistributionRisesFromNoneToAll) {
  const Curve curve = distribution("a", {1, 2, 5}, 3);
  EXPECT_EQ(curve.points, (std::vector<std::pair<double, double>>{{1, 0}, {2, 50}, {5, 100}}));
}

}  // namespace
}  // namespace troupe::launch::plot
