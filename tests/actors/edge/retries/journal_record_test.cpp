#include "actors/edge/retries/journal_record.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/actors/edge/retries/kept_requests.hpp"

namespace troupe::actors::edge {
namespace {

JournalRecord begun_record(std::uint64_t number) {
  return {RequestChange::begun, kept_request(number)};
}

TEST(JournalRecord, IsReadAsItWasWritten) {
  EXPECT_EQ(read_journal_record(journal_bytes(begun_record(1))), begun_record(1));
  EXPECT_EQ(read_journal_record(journal_bytes(begun_record(6))), begun_record(6));
  for (const RequestChange change :
       {RequestChange::finished, RequestChange::dropped, RequestChange::failed}) {
    const JournalRecord end{change, {.id = "chatcmpl-1"}};
    EXPECT_EQ(read_journal_record(journal_bytes(end)), end);
  }
}

TEST(JournalRecord, OfAnEndThereIsNoText) {
  const std::string end = journal_bytes({RequestChange::dropped, kept_request(1)});
  EXPECT_EQ(end, journal_bytes({RequestChange::dropped, {.id = kept_id(1)}}));
}

RC_GTEST_PROP(JournalRecord, TextsMayHoldAnyBytes, (std::string body, std::string key)) {
  JournalRecord record = begun_record(1);
  record.request.body = body;
  record.request.idempotency_key = key;
  RC_ASSERT(read_journal_record(journal_bytes(record)) == record);
}

TEST(JournalRecord, APartOfOneIsNone) {
  const std::string whole = journal_bytes(begun_record(1));
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes)
    EXPECT_EQ(read_journal_record(std::string_view(whole).substr(0, bytes)), std::nullopt) << bytes;
}

TEST(JournalRecord, AnUnknownChangeIsNone) {
  std::string bytes = journal_bytes(begun_record(1));
  bytes[1] = 4;  // behind the sign of the byte order
  EXPECT_EQ(read_journal_record(bytes), std::nullopt);
}

TEST(JournalRecord, ATextThatIsLongerThanTheRecordIsNone) {
  std::string bytes = journal_bytes(begun_record(1));
  for (int i = 2; i < 6; ++i) bytes[std::size_t(i)] = '\xff';  // the size of the id: 4 GiB
  EXPECT_EQ(read_journal_record(bytes), std::nullopt);
}

}  // namespace
}  // namespace troupe::actors::edge
