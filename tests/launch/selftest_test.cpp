#include <gmock/gmock.h>

#include "tests/launch/program.hpp"

namespace troupe::launch {
namespace {

using testing::HasSubstr;

using Selftest = ProgramTest;

TEST_F(Selftest, RanksOfAHostExchangeTheRightBytes) {
  const Outcome outcome = run("selftest --collectives -tp 4");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("4 ranks"));
  for (const char* collective : {"all_reduce", "all_gather", "dispatch", "combine"})
    EXPECT_THAT(outcome.out, HasSubstr(collective));
  EXPECT_THAT(outcome.out, HasSubstr("All bytes are right."));
}

// Its peer gives up, and then whoever started both does.
TEST_F(Selftest, ARankThatHangsEndsTheTest) {
  const Outcome outcome = run_shell(
      "selftest --collectives -tp 2 --collective-timeout 0.3",
      "started=$!; first=; until [ \"$first\" ]; do read -r first rest </proc/$started/task/$started/children; done; "
      "kill -STOP $first; wait $started");
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("error: rank 0: ended, since rank 1 had failed"));
  EXPECT_THAT(outcome.out, HasSubstr("error: rank 1: "));
}

TEST_F(Selftest, SaysWhatIsWrongWithItsFlags) {
  EXPECT_EQ(run("selftest").code, 2);
  EXPECT_EQ(run("selftest --collectives -tp 3").code, 2);
  EXPECT_EQ(run("selftest --collectives --tensor-interface nowhere0").code, 1);
  EXPECT_EQ(run("selftest --collectives --device abacus").code, 2);
}

TEST_F(Selftest, ADeviceThatIsNotThereIsAnErrorOfEachRank) {
  const Outcome outcome = run("selftest --collectives -tp 2 --device cuda", "", "CUDA_VISIBLE_DEVICES=");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, HasSubstr("error: rank 0: "));
  EXPECT_THAT(outcome.out, HasSubstr("error: rank 1: "));
}

}  // namespace
}  // namespace troupe::launch
