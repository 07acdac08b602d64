#include "launch/selftest/report.hpp"

#include <gmock/gmock.h>

#include "tests/error_of.hpp"

namespace troupe::launch {
namespace {

using std::chrono::microseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<RankReport> four_ranks() {
  std::vector<RankReport> reports;
  for (int rank = 0; rank < 4; ++rank)
    reports.push_back({.rank = rank,
                       .facts = {{"build", "abc"}, {"driver", "580.65.06"}},
                       .times = {{Collective::all_reduce, 4096, microseconds(10 + rank),
                                  microseconds(20 + rank), 1e9 / (1 + rank)}}});
  return reports;
}

TEST(SelftestReport, TravelsAsText) {
  RankReport report = four_ranks()[2];
  report.error = "all_gather: a wrong byte";
  report.warnings = {"small"};
  report.over_tcp = true;
  const RankReport read = rank_report(to_text(report));
  EXPECT_EQ(read.rank, 2);
  EXPECT_EQ(read.error, report.error);
  EXPECT_EQ(read.facts, report.facts);
  EXPECT_EQ(read.warnings, report.warnings);
  EXPECT_TRUE(read.over_tcp);
  ASSERT_EQ(read.times.size(), 1u);
  EXPECT_EQ(read.times[0].which, Collective::all_reduce);
  EXPECT_EQ(read.times[0].bytes, 4096);
  EXPECT_EQ(read.times[0].best, report.times[0].best);
  EXPECT_EQ(read.times[0].median, report.times[0].median);
  EXPECT_EQ(read.times[0].bytes_per_second, report.times[0].bytes_per_second);
  for (const char* nonsense : {"", "{}", "[1]", R"({"rank":"x"})"})
    EXPECT_THAT(error_of([&] { rank_report(nonsense); }), HasSubstr("no report"));
}

TEST(SelftestReport, ShowsTheSlowestRankAndWhatLinksCarry) {
  const std::string text = tell(four_ranks());
  EXPECT_THAT(text, HasSubstr("4 ranks, build abc, driver 580.65.06\n"));
  EXPECT_THAT(text, HasSubstr("all_reduce          4096        13.0        23.0      0.25\n"));
  EXPECT_THAT(text, HasSubstr("450.0  NVLink 4"));
  EXPECT_THAT(text, HasSubstr("50.0  InfiniBand NDR"));
  EXPECT_THAT(text, HasSubstr("All bytes are right.\n"));
  EXPECT_THAT(text, Not(HasSubstr("warning")));
}

TEST(SelftestReport, WarnsOncePerReasonAndNamesTheRanks) {
  auto reports = four_ranks();
  for (const int rank : {0, 1, 3}) reports[std::size_t(rank)].warnings = {"NCCL fell back to TCP"};
  reports[2].error = "all_reduce: rank 2 got a wrong byte";
  const std::string text = tell(reports);
  EXPECT_THAT(text, HasSubstr("warning: ranks 0-1, 3: NCCL fell back to TCP\n"));
  EXPECT_THAT(text, HasSubstr("error: rank 2: all_reduce: rank 2 got a wrong byte\n"));
  EXPECT_THAT(text, Not(HasSubstr("All bytes are right")));
}

TEST(SelftestReport, WarnsOfRanksThatDiffer) {
  auto reports = four_ranks();
  EXPECT_THAT(differences(reports), IsEmpty());
  reports[3].facts["driver"] = "570.1";
  reports[0].facts["host"] = "a";  // hosts may
  reports[1].facts["host"] = "b";
  EXPECT_THAT(differences(reports), ElementsAre("ranks differ in driver: 570.1 (3); 580.65.06 (0-2)"));
}

// A rank that failed before it measured anything.
TEST(SelftestReport, ShowsNoTimesWhereARankHasNone) {
  auto reports = four_ranks();
  reports[1].times.clear();
  reports[1].error = "ended with signal 9 (Killed)";
  EXPECT_THAT(tell(reports), Not(HasSubstr("4096")));
}

}  // namespace
}  // namespace troupe::launch
