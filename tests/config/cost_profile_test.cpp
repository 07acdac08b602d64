#include "config/cost_profile.hpp"

#include <gtest/gtest.h>

#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::config {
namespace {

const std::filesystem::path own = std::string(SOURCE_DIR) + "/config/profiles";

TEST(CostProfile, ThoseOfTheProgramAreWhole) {
  EXPECT_EQ(read_model_shape("deepseek-v3", own).n_routed_experts, 256);
  for (const char* name : {"h100x8", "h100x16", "h200x8", "h200x16", "b200x8", "b200x16"}) {
    const Machine machine = read_machine(name, own);
    EXPECT_EQ(machine.hosts * machine.devices_per_host, std::string(name).ends_with("x16") ? 16 : 8);
    EXPECT_EQ(machine.all_reduce(8).back().first, 67108864);
    EXPECT_NEAR(machine.all_reduce(8).back().second, std::string(name).starts_with("b") ? 161e-6 : 322e-6,
                1e-9);
  }
}

TEST(CostProfile, SayWhatIsMissingOrUnknown) {
  const TemporaryFolder folder;
  const auto failure = [&](std::string_view text) {
    return error_of([&] { read_machine(folder.write("m.toml", text).string(), own); });
  };
  const std::string path = (folder.path() / "m.toml").string();
  EXPECT_EQ(failure("devices-per-host = 8\n"), path + ": hosts: is missing");
  EXPECT_EQ(failure("host = 8\n"), path + ":1: host: unknown key; the nearest known one is hosts");
  EXPECT_EQ(error_of([&] { read_machine("h300", own); }),
            "h300: is no profile; known ones are in " + own.string());
}

TEST(CostProfile, AllReduceTimesAscend) {
  Machine machine;
  machine.all_reduce_2 = {"10:1.5", "20:2"};
  EXPECT_EQ(machine.all_reduce(2), (AllReduceTimes{{10, 1.5e-6}, {20, 2e-6}}));
  for (const char* wrong : {"10:3", "30", "x:3", "30:-1", "30:3s", "30:"}) {
    machine.all_reduce_2 = {"10:1.5", wrong};
    EXPECT_TRUE(machine.all_reduce(2).empty()) << wrong;
  }
}

}  // namespace
}  // namespace troupe::config
