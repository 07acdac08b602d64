#include "actors/edge/callers/ledger.hpp"

#include <gmock/gmock.h>

#include <thread>

namespace troupe::actors::edge {
namespace {

using namespace std::chrono_literals;
using config::Caller;
using ::testing::HasSubstr;

const TimePoint start{1000s};

std::shared_ptr<const Caller> shared(Caller caller) {
  return std::make_shared<const Caller>(std::move(caller));
}
std::shared_ptr<Ledger> make(config::SharedLimits limits = {}) {
  return std::make_shared<Ledger>(limits, start);
}
std::int64_t tokens_left(const Ledger& ledger, const Caller& caller, TimePoint now = start) {
  return ledger.standings(&caller, "", now).tokens->remaining;
}

TEST(Ledger, CountsACallersRequests) {
  const auto ledger = make();
  const Caller caller{.name = "a", .requests_per_minute = 2};
  EXPECT_TRUE(ledger->count_request(caller, start));
  EXPECT_TRUE(ledger->count_request(caller, start));
  const auto refused = ledger->count_request(caller, start);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, RefusalKind::rate_limited);
  EXPECT_EQ(refused.error().code, "rate_limit_exceeded");
  EXPECT_EQ(refused.error().retry_after, 30);
  EXPECT_EQ(
      refused.error().message,
      "Rate limit reached for a on requests per min (RPM): Limit 2, Used 2, Requested 1. Please try again in "
      "30s.");
  EXPECT_TRUE(ledger->count_request(Caller{.name = "b", .requests_per_minute = 2}, start));
  EXPECT_TRUE(ledger->count_request(caller, start + 30s));
}

TEST(Ledger, CountsAnAddresssRequests) {
  const auto ledger = make({.requests_per_address = 1});
  EXPECT_TRUE(ledger->count_request("192.0.2.1", start));
  EXPECT_THAT(ledger->count_request("192.0.2.1", start).error().message, HasSubstr("for this address"));
  EXPECT_TRUE(ledger->count_request("192.0.2.2", start));
  EXPECT_TRUE(ledger->count_request("192.0.2.1", start + 60s));
}

TEST(Ledger, RemembersSoManyAddresses) {
  const auto ledger = make({.requests_per_address = 1});
  const auto others = [&](std::size_t count, TimePoint now) {
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_TRUE(ledger->count_request("net " + std::to_string(i), now));
  };
  others(Ledger::most_addresses - 1, start);
  EXPECT_TRUE(ledger->count_request("192.0.2.1", start + 30s));
  EXPECT_TRUE(ledger->count_request("one more", start + 60s));
  EXPECT_FALSE(ledger->count_request("192.0.2.1", start + 60s)) << "what others had was theirs again";
  others(Ledger::most_addresses - 2, start + 60s);
  EXPECT_FALSE(ledger->count_request("192.0.2.1", start + 60s));
  EXPECT_TRUE(ledger->count_request("yet another", start + 60s));
  EXPECT_TRUE(ledger->count_request("192.0.2.1", start + 60s)) << "nobody is remembered";
}

TEST(Ledger, ChargesTheMostAndGivesBackTheRest) {
  const auto ledger = make();
  const auto caller = shared({.name = "a", .tokens_per_minute = 100});
  const auto ticket = *ledger->begin(caller, start);
  EXPECT_TRUE(ticket->charge(80, false, start));
  EXPECT_EQ(tokens_left(*ledger, *caller), 20);
  const auto second = *ledger->begin(caller, start);
  const auto refused = second->charge(30, false, start);
  ASSERT_FALSE(refused);
  EXPECT_EQ(
      refused.error().message,
      "Rate limit reached for a on tokens per min (TPM): Limit 100, Used 80, Requested 30. Please try again in "
      "6s.");
  EXPECT_EQ(refused.error().retry_after, 6);
  ticket->settle(15, start);
  EXPECT_EQ(tokens_left(*ledger, *caller), 85);
  ticket->settle(0, start);  // once
  EXPECT_EQ(tokens_left(*ledger, *caller), 85);
  EXPECT_TRUE(second->charge(30, false, start));
}

TEST(Ledger, WhatIsNotSettledComesBackWithItsTicket) {
  const auto ledger = make({.tokens_per_minute = 1'000'000'000});
  const auto caller = shared({.name = "a", .tokens_per_minute = 100});
  EXPECT_TRUE((*ledger->begin(caller, now()))->charge(80, false, now()));
  EXPECT_EQ(tokens_left(*ledger, *caller, now()), 100);
}

TEST(Ledger, ARequestLargerThanAMinutesAllowanceIsToldToShrink) {
  const auto ledger = make();
  const auto caller = shared({.name = "a", .tokens_per_minute = 100});
  const auto ticket = *ledger->begin(caller, start);
  EXPECT_THAT(ticket->charge(101, false, start).error().message,
              HasSubstr("Request too large for a on tokens per min (TPM): Limit 100, Requested 101."));
  // Who did not say how much it wants is charged all there is, and then what it used.
  EXPECT_TRUE(ticket->charge(4096, true, start));
  EXPECT_EQ(tokens_left(*ledger, *caller), 0);
  ticket->settle(130, start);
  EXPECT_EQ(tokens_left(*ledger, *caller, start + 18s), 0);
  EXPECT_EQ(tokens_left(*ledger, *caller, start + 24s), 10);
}

TEST(Ledger, TheServersTokensAreAllCallers) {
  const auto ledger = make({.tokens_per_minute = 100});
  const auto caller = shared({.name = "a", .tokens_per_minute = 1000});
  const auto first = *ledger->begin(caller, start), second = *ledger->begin(nullptr, start);
  EXPECT_TRUE(first->charge(90, false, start));
  const auto refused = second->charge(20, false, start);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, RefusalKind::unavailable);
  EXPECT_EQ(refused.error().retry_after, 6);
  // What the caller itself cannot have is not taken from the server.
  const auto poor = *ledger->begin(shared({.name = "p", .tokens_per_minute = 5}), start);
  EXPECT_FALSE(poor->charge(10, false, start));
  EXPECT_TRUE(second->charge(10, false, start));
}

TEST(Ledger, CountsGenerationsInProgress) {
  const auto ledger = make();
  const auto caller = shared({.name = "a", .concurrent = 2});
  auto first = *ledger->begin(caller, start), second = *ledger->begin(caller, start);
  const auto refused = ledger->begin(caller, start);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, RefusalKind::rate_limited);
  EXPECT_THAT(refused.error().message, HasSubstr("concurrent requests: Limit 2"));
  first.reset();
  EXPECT_TRUE(ledger->begin(caller, start));
}

TEST(Ledger, TellsOfTheLimitThatLeavesLess) {
  const auto ledger = make({.tokens_per_minute = 50, .requests_per_address = 10});
  const Caller caller{.name = "a", .requests_per_minute = 20, .tokens_per_minute = 100};
  EXPECT_TRUE(ledger->count_request("192.0.2.1", start));
  EXPECT_TRUE(ledger->count_request(caller, start));
  const auto all = ledger->standings(&caller, "192.0.2.1", start);
  EXPECT_EQ(all.requests->limit, 10);
  EXPECT_EQ(all.requests->remaining, 9);
  EXPECT_EQ(all.requests->reset, 6s);
  EXPECT_EQ(all.tokens->limit, 50);
  const auto of_nobody = make()->standings(nullptr, "", start);
  EXPECT_FALSE(of_nobody.requests || of_nobody.tokens);
}

TEST(Ledger, LimitsMayChangeWhileStreamsRun) {
  const auto ledger = make();
  const auto before = shared({.name = "a", .tokens_per_minute = 100});
  const auto ticket = *ledger->begin(before, start);
  EXPECT_TRUE(ticket->charge(60, false, start));
  const Caller after{.name = "a", .tokens_per_minute = 1000};
  EXPECT_TRUE(ledger->count_request(after, start));
  EXPECT_EQ(tokens_left(*ledger, after), 940);
  EXPECT_TRUE(ledger->count_request(Caller{.name = "a"}, start));  // no limit any more
  ledger->keep({});
  ticket->settle(10, start);
}

TEST(Ledger, WhoIsNamedNoMoreIsForgottenOnceItsGenerationsHaveEnded) {
  const auto ledger = make();
  const auto caller = shared({.name = "a", .requests_per_minute = 2, .concurrent = 1});
  EXPECT_TRUE(ledger->count_request(*caller, start));
  auto runs = *ledger->begin(caller, start);
  ledger->keep({});
  EXPECT_FALSE(ledger->begin(caller, start)) << "it came back, and its one generation runs";
  EXPECT_EQ(ledger->standings(caller.get(), "", start).requests->remaining, 1);
  runs.reset();
  ledger->keep({caller});
  EXPECT_EQ(ledger->standings(caller.get(), "", start).requests->remaining, 1);
  ledger->keep({});
  EXPECT_FALSE(ledger->standings(caller.get(), "", start).requests);
}

TEST(Ledger, ThreadsShareIt) {
  const auto ledger = make({.tokens_per_minute = 1'000'000});
  const auto caller = shared({.name = "a", .tokens_per_minute = 1'000'000});
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int turn = 0; turn < 1000; ++turn) {
        const auto ticket = *ledger->begin(caller, start);
        if (ticket->charge(100, false, start)) ticket->settle(1, start);
      }
    });
  threads.clear();
  EXPECT_EQ(tokens_left(*ledger, *caller), 1'000'000 - 4000);
}

TEST(Ledger, TimesAreWrittenAsOpenAisHeadersDo) {
  EXPECT_EQ(duration_text(0s), "0ms");
  EXPECT_EQ(duration_text(250ms), "250ms");
  EXPECT_EQ(duration_text(999001us), "1s");
  EXPECT_EQ(duration_text(1500ms), "1.5s");
  EXPECT_EQ(duration_text(6min), "6m0s");
  EXPECT_EQ(duration_text(61020ms), "1m1.02s");
}

}  // namespace
}  // namespace troupe::actors::edge
