#include "actors/edge/retries/event_log.hpp"

#include <gtest/gtest.h>

namespace troupe::actors::edge {
namespace {

EventLog::Reading reading(std::string_view id, std::size_t choices) {
  return {*EventPosition::parse(id, choices), 0};
}

std::string told(const EventLog& log, EventLog::Reading from) {
  std::string out;
  log.tell(from, out);
  return out;
}

TEST(EventLog, EachEventHasTheIdOfWhatIsToldWithIt) {
  EventLog log(1, true);
  log.add(EventPosition::beginning, "event: a\ndata: 1\n\ndata: 2\n\n");
  log.add(EventPosition::of_choice(0), "");
  log.add(EventPosition::of_choice(0), "data: 3\n\n");
  log.add(log.end_part(), "data: [DONE]\n\n");
  EXPECT_EQ(
      told(log, reading("0-0-0", 1)),
      "id: 1-0-0\nevent: a\ndata: 1\n\nid: 2-0-0\ndata: 2\n\nid: 2-1-0\ndata: 3\n\nid: 2-1-1\ndata: [DONE]\n\n");
  EXPECT_EQ(told(log, reading("2-0-0", 1)), "id: 2-1-0\ndata: 3\n\nid: 2-1-1\ndata: [DONE]\n\n");
  EXPECT_EQ(told(log, reading("2-1-1", 1)), "");
}

TEST(EventLog, AReaderGoesOnWhereItIs) {
  EventLog log(1, true);
  EventLog::Reading reader = reading("0-0-0", 1);
  std::string out;
  log.tell(reader, out);
  EXPECT_EQ(out, "");
  log.add(1, "data: 1\n\n");
  log.tell(reader, out);
  log.tell(reader, out);
  EXPECT_EQ(out, "id: 0-1-0\ndata: 1\n\n");
}

// Choices interleave otherwise in another run.
TEST(EventLog, AnIdOfAnotherRunIsOfTheSamePlaceInEachChoice) {
  EventLog log(2, true);
  log.add(2, "data: b1\n\ndata: b2\n\n");
  log.add(1, "data: a1\n\ndata: a2\n\n");
  EXPECT_EQ(told(log, reading("0-2-1-0", 2)), "id: 0-2-2-0\ndata: b2\n\n");
  EXPECT_EQ(told(log, reading("0-1-1-0", 2)), "id: 0-1-2-0\ndata: b2\n\nid: 0-2-2-0\ndata: a2\n\n");
  // A client may be further than this run is.
  EXPECT_EQ(told(log, reading("0-9-0-0", 2)), "id: 0-9-1-0\ndata: b1\n\nid: 0-9-2-0\ndata: b2\n\n");
}

TEST(EventLog, AFailureMovesNobody) {
  EventLog log(1, true);
  log.add(1, "data: 1\n\n");
  log.add_failure("data: {\"error\": 1}\n\ndata: [DONE]\n\n");
  const std::string failure = "id: 0-1-0\ndata: {\"error\": 1}\n\nid: 0-1-0\ndata: [DONE]\n\n";
  EXPECT_EQ(told(log, reading("0-0-0", 1)), "id: 0-1-0\ndata: 1\n\n" + failure);
  EXPECT_EQ(told(log, reading("0-1-0", 1)), failure);
}

TEST(EventLog, WhatIsNotServerSentHasNoIds) {
  EventLog log(1, false);
  log.add(1, "{\"a\": \"x\"}\n");
  log.add(1, "{\"a\": \"y\"}\n");
  EXPECT_EQ(told(log, reading("0-0-0", 1)), "{\"a\": \"x\"}\n{\"a\": \"y\"}\n");
}

TEST(EventLog, WhatIsForgottenKeepsTheNumbers) {
  EventLog log(1, true);
  EventLog::Reading reader = reading("0-0-0", 1);
  std::string out;
  log.add(1, "data: 1\n\n");
  log.tell(reader, out);
  log.forget();
  EXPECT_EQ(log.bytes(), 0u);
  reader.next = 0;
  log.add(1, "data: 2\n\n");
  log.tell(reader, out);
  EXPECT_EQ(out, "id: 0-1-0\ndata: 1\n\nid: 0-2-0\ndata: 2\n\n");
}

}  // namespace
}  // namespace troupe::actors::edge
