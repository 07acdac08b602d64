#include "actors/edge/retries/event_position.hpp"

#include <gtest/gtest.h>

namespace troupe::actors::edge {
namespace {

std::string text(const EventPosition& position) {
  std::string out;
  position.append_to(out);
  return out;
}

TEST(EventPosition, CountsTheEventsOfEachPart) {
  EventPosition position(2);
  EXPECT_EQ(text(position), "0-0-0-0");
  EXPECT_EQ(position.next(EventPosition::beginning), 0u);
  EXPECT_EQ(position.next(EventPosition::of_choice(1)), 0u);
  EXPECT_EQ(position.next(EventPosition::of_choice(1)), 1u);
  EXPECT_EQ(position.next(position.end()), 0u);
  EXPECT_EQ(text(position), "1-0-2-1");
}

TEST(EventPosition, TellsWhatIsPastIt) {
  EventPosition position = *EventPosition::parse("1-12-0", 1);
  EXPECT_FALSE(position.tell(0, 0));
  EXPECT_FALSE(position.tell(1, 11));
  EXPECT_TRUE(position.tell(1, 12));
  EXPECT_FALSE(position.tell(1, 12));
  EXPECT_EQ(text(position), "1-13-0");
}

TEST(EventPosition, IdsAreReadAsTheyAreWritten) {
  for (const char* id : {"0-0-0-0", "1-12-7-0", "1000000000-4-5-6"})
    EXPECT_EQ(text(*EventPosition::parse(id, 2)), id);
}

TEST(EventPosition, WhatIsNoIdOfTheStreamIsRefused) {
  for (const char* id :
       {"", "-", "1", "1-2-3", "1-2-3-4-5", "1-2-3-", "-1-2-3-4", "1--2-3", "1-2-3-x", "a-2-3-4", "1-2-3-4 ",
        " 1-2-3-4", "1-2-3-99999999999", "1000000001-2-3-4", "1.2-3-4-5", "+1-2-3-4"}) {
    const auto position = EventPosition::parse(id, 2);
    ASSERT_FALSE(position) << id;
    EXPECT_EQ(position.error().code, "invalid_last_event_id");
    EXPECT_EQ(position.error().kind, RefusalKind::invalid);
  }
}

}  // namespace
}  // namespace troupe::actors::edge
