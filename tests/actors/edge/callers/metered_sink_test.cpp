#include "actors/edge/callers/metered_sink.hpp"

#include <gtest/gtest.h>

#include "actors/edge/delta_feed.hpp"

namespace troupe::actors::edge {
namespace {

struct MeteredSinkTest : testing::Test {
  std::shared_ptr<Ledger> ledger = std::make_shared<Ledger>(config::SharedLimits{}, now());
  std::shared_ptr<const config::Caller> caller = std::make_shared<const config::Caller>(
      config::Caller{.name = "a", .tokens_per_minute = 100, .concurrent = 1});
  std::shared_ptr<DeltaFeed> feed = std::make_shared<DeltaFeed>([] {});
  MeteredSink sink{feed, *ledger->begin(caller, now()), true};

  // By a clock that stands: what fills in is not seen.
  std::int64_t left() { return ledger->standings(caller.get(), "", TimePoint()).tokens->remaining; }
  static runtime::Delta delta(std::size_t tokens, runtime::ChoiceEnd end = runtime::ChoiceEnd::none) {
    runtime::Delta made;
    made.token_ids.resize(tokens);
    made.finish = end;
    return made;
  }
};

TEST_F(MeteredSinkTest, ChargesBeforeAndSettlesAtTheEnd) {
  EXPECT_TRUE(sink.on_counted(10, 50));
  EXPECT_LE(left(), 41);
  feed->expect(2);
  sink.on_accepted({.prompt_tokens = 10});
  sink.on_delta(delta(1));
  sink.on_delta(delta(2, runtime::ChoiceEnd::stop));
  sink.on_end({.prompt_tokens = 10, .completion_tokens = 3, .cached_tokens = 4});
  EXPECT_GE(left(), 87);
  const DeltaFeed::News news = feed->take();
  EXPECT_EQ(news.accepted->prompt_tokens, 10);
  EXPECT_EQ(news.deltas.size(), 2u);
  EXPECT_EQ(news.end->completion_tokens, 3);
  const GenerationRecord record = sink.leave();
  EXPECT_EQ(record.usage.cached_tokens, 4);
  EXPECT_EQ(record.finish, "stop");
  EXPECT_EQ(record.failure, "");
  EXPECT_TRUE(record.accepted && record.first);
}

TEST_F(MeteredSinkTest, WhoLeavesPaysForWhatCame) {
  EXPECT_TRUE(sink.on_counted(10, 90));
  feed->expect(1);
  sink.on_accepted({.prompt_tokens = 10});
  sink.on_delta(delta(5));
  EXPECT_FALSE(ledger->begin(caller, now()));  // it has its one place
  EXPECT_EQ(sink.leave().usage.completion_tokens, 5);
  EXPECT_GE(left(), 85);
  EXPECT_LT(left(), 100);
  EXPECT_TRUE(ledger->begin(caller, now()));
  sink.on_failure({});  // nobody pays any more
  EXPECT_GE(left(), 85);
}

TEST_F(MeteredSinkTest, WhatIsRefusedCostsNothing) {
  EXPECT_TRUE(sink.on_counted(10, 50));
  sink.on_failure({RefusalKind::unavailable, "full", "", "queue_full"});
  EXPECT_GE(left(), 99);
  EXPECT_EQ(feed->take().failure->code, "queue_full");
  EXPECT_EQ(sink.leave().failure, "queue_full");
}

TEST_F(MeteredSinkTest, WhatTheCallerCannotPayIsRefused) {
  const auto refused = sink.on_counted(90, 50);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, RefusalKind::rate_limited);
  EXPECT_GE(left(), 99);
}

}  // namespace
}  // namespace troupe::actors::edge
