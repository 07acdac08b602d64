#include "runtime/scheduling/admission.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime {
namespace {

using std::chrono::seconds;

struct AdmissionTest : testing::Test {
  AdmissionTest() {
    limits.max_waiting = 10;
    limits.max_waiting_tokens = 1000;
    newcomer.tokens.resize(100);
  }
  // The code of the refusal, or "" if there is none.
  std::string code() {
    const auto admitted = admit(newcomer, waiting, limits, rate, now);
    if (admitted) return "";
    refusal = admitted.error();
    return refusal.code;
  }
  // From now on 100 tokens leave in a second.
  void measure() {
    using std::chrono::milliseconds;  // 100 tokens a second, in steps of 100 ms
    rate.planned(now - seconds(5), 0, true);
    for (int ms = -4900; ms <= 0; ms += 100) rate.planned(now + milliseconds(ms), 10, true);
  }

  SchedulerLimits limits;
  Submission newcomer;
  Waiting waiting;
  DrainRate rate;
  TimePoint now = TimePoint{} + seconds(1000);
  Refusal refusal;
};

TEST_F(AdmissionTest, SequencesThatWaitAreBounded) {
  waiting.all = waiting.of_caller = {9, 900};
  EXPECT_EQ(code(), "");
  waiting.all = {10, 500};
  EXPECT_EQ(code(), "queue_full");
  EXPECT_EQ(refusal.kind, RefusalKind::unavailable);
  EXPECT_EQ(refusal.message,
            "the queue is full: 10 sequences of 500 tokens wait, and at most 10 of 1000 may");
}

TEST_F(AdmissionTest, TokensThatWaitAreBounded) {
  waiting.all = waiting.of_caller = {1, 901};
  EXPECT_EQ(code(), "queue_full");
  newcomer.tokens.resize(99);
  EXPECT_EQ(code(), "");
  newcomer.tokens.resize(2000);
  EXPECT_EQ(code(), "queue_full");
  waiting = {};
  EXPECT_EQ(code(), "") << "else it could never come";
}

TEST_F(AdmissionTest, ACallerHasBoundsOfItsOwn) {
  waiting.all = {8, 800};
  waiting.of_caller = {2, 200};
  EXPECT_EQ(code(), "");
  limits.max_waiting_per_caller = 2;
  EXPECT_EQ(code(), "too_many_waiting");
  EXPECT_EQ(refusal.kind, RefusalKind::rate_limited);
  limits.max_waiting_per_caller = 3;
  EXPECT_EQ(code(), "");
  limits.max_waiting_tokens_per_caller = 299;
  EXPECT_EQ(code(), "too_many_waiting");
  limits.max_waiting_tokens_per_caller = 300;
  EXPECT_EQ(code(), "");
}

TEST_F(AdmissionTest, TheRefusedAreToldWhenWhatWaitsWillHaveBegun) {
  waiting.all = waiting.of_caller = {10, 950};
  EXPECT_EQ(code(), "queue_full");
  EXPECT_EQ(refusal.retry_after, 0) << "nothing was measured";
  measure();
  EXPECT_EQ(code(), "queue_full");
  EXPECT_EQ(refusal.retry_after, 10);
  limits.max_waiting = 20;
  limits.max_waiting_tokens = 2000;
  limits.max_waiting_per_caller = 10;
  waiting.of_caller = {10, 20};
  EXPECT_EQ(code(), "too_many_waiting");
  EXPECT_EQ(refusal.retry_after, 1);
}

TEST_F(AdmissionTest, WhoseTimeIsUpBeforeItsTurnIsRefusedAtOnce) {
  waiting.all = waiting.of_caller = {9, 800};
  waiting.ahead = 710;  // a tenth more, and a step for the first token
  newcomer.start_by = now + seconds(7);
  EXPECT_EQ(code(), "") << "nothing was measured";
  measure();
  EXPECT_EQ(code(), "deadline_unreachable");
  EXPECT_EQ(refusal.kind, RefusalKind::unavailable);
  EXPECT_EQ(refusal.retry_after, 1);
  newcomer.start_by = now + seconds(3);
  EXPECT_EQ(code(), "deadline_unreachable");
  EXPECT_EQ(refusal.retry_after, 5);
  newcomer.start_by = now + seconds(8);
  EXPECT_EQ(code(), "");
  newcomer.start_by = now + seconds(3);
  waiting.ahead = 260;  // the others are less urgent
  EXPECT_EQ(code(), "");
}

TEST_F(AdmissionTest, LoadsAreCountedByCaller) {
  WaitingLoad load;
  load.add(1, 10, 1);
  load.add(1, 20, 1);
  load.add(2, 5, 1);
  load.add(1, 10, -1);
  EXPECT_EQ(load.all().sequences, 2);
  EXPECT_EQ(load.all().tokens, 25);
  EXPECT_EQ(load.of(1).tokens, 20);
  EXPECT_EQ(load.of(2).sequences, 1);
  EXPECT_EQ(load.of(3).sequences, 0);
}

}  // namespace
}  // namespace troupe::runtime
