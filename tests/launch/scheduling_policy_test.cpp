// --scheduling-policy knows the policies that have registered themselves, and no list of its own.
#include <gmock/gmock.h>

#include "config/read.hpp"
#include "config/settings.hpp"
#include "runtime/scheduling/policies/policy.hpp"
#include "tests/launch/program.hpp"

namespace troupe::launch {
namespace {

using ::testing::HasSubstr;

// A new policy, as one in a file of its own would come: this program has it, troupe has not.
struct Nobody final : runtime::BatchPolicy {
  std::string_view name() const override { return "nobody"; }
  void propose(const runtime::SchedulerView&, std::int32_t, runtime::Proposal&) override {}
};
const bool registered =
    runtime::register_policy("nobody", [](runtime::PolicyOptions&) { return std::make_unique<Nobody>(); });

using SchedulingPolicy = ProgramTest;

TEST_F(SchedulingPolicy, ANewOneMayBeGiven) {
  ASSERT_TRUE(registered);
  config::Settings settings;
  config::Table table = config::schema(settings, runtime::policy_names());
  const std::vector<std::string> arguments{"--scheduling-policy", "nobody"};
  EXPECT_TRUE(config::read(table, {arguments, {}}));
  EXPECT_EQ(runtime::make_policy(settings.scheduling_policy)->name(), "nobody");
}

TEST_F(SchedulingPolicy, TheProgramTakesAndNamesThoseThatItHas) {
  std::vector<std::string> names = runtime::policy_names();
  EXPECT_EQ(std::erase(names, "nobody"), 1u);
  ASSERT_GE(names.size(), 3u);
  std::string all;
  for (const std::string& each : names) {
    EXPECT_EQ(run("serve --show-config --scheduling-policy " + each).code, 0) << each;
    all += " " + each;
  }
  for (const char* absent : {"nobody", "lifo"})
    EXPECT_THAT(run("serve --scheduling-policy " + std::string(absent)).err,
                HasSubstr("'" + std::string(absent) + "' is unknown; permitted:" + all + "\n"));
  const std::string page = run("serve --help").out;
  for (const std::string& each : names) EXPECT_THAT(page, HasSubstr(each));
}

}  // namespace
}  // namespace troupe::launch
