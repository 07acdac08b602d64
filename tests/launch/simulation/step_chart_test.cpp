#include "launch/simulation/step_chart.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::launch::simulation {
namespace {

using runtime::lab::ShownStep;
using ::testing::HasSubstr;
using ::testing::Not;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(StepChart, TellsWhatRanWithHowManyTokensAndWhoLostItsBlocks) {
  const std::vector<ShownStep> steps{{7, 1.0, 1.5, {{3, 512, true}, {4, 1, false}}, {}},
                                     {8, 1.5, 1.6, {{4, 2, false}}, {3}}};
  const std::string svg = draw_steps("Steps", steps).elements;
  EXPECT_THAT(svg, HasSubstr("step 7, 500 ms: 512 of the prompt"));
  EXPECT_THAT(svg, HasSubstr("step 8, 100 ms: 2 of the answer"));
  EXPECT_THAT(svg, HasSubstr(">512<")) << "in the bar, and at the axis it would be 513";
  EXPECT_THAT(svg, HasSubstr(">513<"));
  EXPECT_THAT(svg, HasSubstr("request 3"));
  EXPECT_EQ(count(svg, "\"alarm\""), 4u) << "one cross, and that of the legend";
}

TEST(StepChart, IsBounded) {
  ShownStep step{1, 0, 1, {}, {}};
  for (SequenceId id = 1; id <= 100; ++id) step.parts.push_back({id, 1, id == 77});
  const std::string svg = draw_steps("Steps", {step}).elements;
  EXPECT_EQ(count(svg, ">request "), most_shown_sequences);
  EXPECT_THAT(svg, HasSubstr("and 60 requests more"));
  EXPECT_THAT(svg, HasSubstr(">request 77<")) << "who has a prompt is shown";
}

TEST(StepChart, OfNothingHasATitle) {
  EXPECT_THAT(draw_steps("Steps", {}).elements, HasSubstr(">Steps<"));
  EXPECT_THAT(draw_steps("Steps", {{1, 0, 0, {}, {}}}).elements, Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace troupe::launch::simulation
