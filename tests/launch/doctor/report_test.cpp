#include "launch/doctor/report.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace troupe::launch::doctor {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const Findings three{
    {Severity::note, "clock", "Late.", "adjtimex", ""},
    {Severity::critical, "memory", "None is left.", "MemAvailable 0", "buy some", "out-of-memory"},
    {Severity::note, "ports", "Few.", "128", "sysctl"}};

TEST(DoctorsReport, HasTheWorstFirst) {
  const Findings sorted = worst_first(three);
  EXPECT_EQ(sorted[0].subject, "memory");
  EXPECT_EQ(sorted[1].subject, "clock");
  EXPECT_EQ(sorted[2].subject, "ports");
}

TEST(DoctorsReport, TellsSymptomEvidenceRemedyAndWhereToRead) {
  const std::string text = text_of(worst_first(three), "this machine");
  EXPECT_THAT(text, StartsWith("critical: memory: None is left.\n"
                               "    evidence  MemAvailable 0\n"
                               "    remedy    buy some\n"
                               "    see       launch/playbook.md#out-of-memory\n\n"
                               "note: clock: Late.\n"
                               "    evidence  adjtimex\n\n"));
  EXPECT_THAT(text, HasSubstr("Looked at this machine: 1 critical, 0 warnings, 2 notes.\n"));
}

TEST(DoctorsReport, LongTextsAreWrapped) {
  std::string evidence;
  for (int i = 0; i < 60; ++i) evidence += "word ";
  const std::string text = text_of({{Severity::note, "s", "S.", evidence, "r"}}, "it");
  EXPECT_THAT(text, HasSubstr("word\n              word"));
}

TEST(DoctorsReport, IsJsonToo) {
  const auto json = json_of(worst_first(three));
  ASSERT_EQ(json.size(), 3u);
  EXPECT_EQ(json[0]["severity"], "critical");
  EXPECT_EQ(json[0]["playbook"], "out-of-memory");
  EXPECT_EQ(json[0]["remedy"], "buy some");
  EXPECT_FALSE(json[1].contains("playbook"));
}

}  // namespace
}  // namespace troupe::launch::doctor
