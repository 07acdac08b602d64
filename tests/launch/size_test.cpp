#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/launch/program.hpp"

namespace troupe::launch {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class Size : public ProgramTest {
 protected:
  json report(const std::string& arguments) {
    const Outcome outcome = run("size --json " + arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return json::parse(outcome.out);
  }
};

TEST_F(Size, TellsOfAPublishedModelWhatFitsAndWhere) {
  const Outcome outcome = run("size deepseek-v3 --gpu h100 --nodes 2 --context 4096");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(StartsWith("model           deepseek-v3, DeepseekV3ForCausalLM\n"),
                    HasSubstr("16 x H100 in 2 hosts"), HasSubstr("\n-tp 16 "),
                    HasSubstr("\n-tp 8 -dp 2 -ep "), HasSubstr(" 140544 "), HasSubstr("smallest        ")));
}

TEST_F(Size, JsonHasTheSameExactly) {
  const json v3 = report("deepseek-v3 --gpu h100 --nodes 2 --context 4096 --gpu-memory-utilization 0.94");
  EXPECT_EQ(v3["model"], "deepseek-v3");
  EXPECT_EQ(v3["nodes"], 2);
  EXPECT_EQ(v3["gpus"], 16);
  EXPECT_EQ(v3["context"], 4096);
  EXPECT_EQ(v3["gpu_memory_utilization"], 0.94);
  ASSERT_EQ(v3["layouts"].size(), 10u);
  const json& widest = v3["layouts"][0];
  EXPECT_EQ(widest["tensor_parallel_size"], 16);
  EXPECT_EQ(widest["data_parallel_size"], 1);
  EXPECT_EQ(widest["enable_expert_parallel"], false);
  EXPECT_EQ(widest["kv_bytes_per_token"], 61 * 576 * 4);
  EXPECT_NEAR(widest["weight_bytes"].get<double>(), 43.2e9, 0.2e9);
  EXPECT_GT(widest["sequences"], 40);
  ASSERT_EQ(v3["smallest"].size(), 4u);
  for (const json& each : v3["smallest"]) EXPECT_GT(each["sequences"], 0) << each;
}

TEST_F(Size, HostsAreAsFewAsHoldTheModel) {
  EXPECT_EQ(report("deepseek-v3 --gpu h100 --context 4096")["nodes"], 2);
  EXPECT_EQ(report("deepseek-v3 --gpu b200 --context 4096")["nodes"], 1);
  const json small = report("deepseek-r1-distill-qwen-1.5b --context 4096");
  EXPECT_EQ(small["nodes"], 1);
  EXPECT_EQ(small["smallest"][0]["gpus"], 1);
}

TEST_F(Size, ThatNothingFitsIsToldToo) {
  const json none = report("deepseek-v3 --gpu h100 --nodes 1 --context 4096");
  for (const json& layout : none["layouts"]) EXPECT_EQ(layout["sequences"], 0);
}

TEST_F(Size, TakesCheckpoints) {
  const json demo = report(DEMO_MODEL);
  EXPECT_EQ(demo["architecture"], "DeepseekV3ForCausalLM");
  EXPECT_EQ(demo["context"], 4096);
  ASSERT_EQ(run("convert " DEMO_MODEL " " + (folder_ / "demo.gguf").string() + " --type bf16").code, 0);
  const json gguf = report((folder_ / "demo.gguf").string());
  EXPECT_EQ(gguf["layouts"][0]["kv_bytes_per_token"], demo["layouts"][0]["kv_bytes_per_token"]);
  EXPECT_GT(gguf["weight_bytes"], demo["weight_bytes"]) << "FP8 became BF16";
}

TEST_F(Size, SettingsOfTheServerCount) {
  const auto first = [&](const std::string& flags) {
    return report(std::string(DEMO_MODEL) + " " + flags)["layouts"][0];
  };
  const json plain = first("");
  EXPECT_GT(first("--max-num-batched-tokens 8192")["workspace_bytes"], plain["workspace_bytes"]);
  EXPECT_GT(first("--num-speculative-tokens 1")["weight_bytes"], plain["weight_bytes"]);
  EXPECT_GT(first("--num-speculative-tokens 1")["kv_bytes_per_token"], plain["kv_bytes_per_token"]);
  EXPECT_EQ(first("--kv-cache-dtype bf16")["kv_bytes_per_token"].get<int>() * 2, plain["kv_bytes_per_token"]);
  EXPECT_LT(first("--gpu-memory-utilization 0.5")["kv_cache_bytes"], plain["kv_cache_bytes"]);
}

TEST_F(Size, WeightsThatStayInTheHostsMemoryTakeNoneOfTheGpus) {
  const std::string model = "deepseek-v3 --gpu h100 --nodes 2 --context 4096";
  const json plain = report(model), offloaded = report(model + " --cpu-offload-gb 8");
  EXPECT_EQ(plain["cpu_offload_bytes"], 0);
  EXPECT_EQ(offloaded["cpu_offload_bytes"], std::size_t{8} << 30);
  for (std::size_t i = 0; i < plain["layouts"].size(); ++i) {
    const json &before = plain["layouts"][i], &after = offloaded["layouts"][i];
    EXPECT_EQ(before["host_weight_bytes"], 0);
    const auto moved = after["host_weight_bytes"].get<std::size_t>();
    EXPECT_LE(moved, std::size_t{8} << 30);
    EXPECT_GT(moved, (std::size_t{8} << 30) - 60'000'000) << "an expert of a layer has 44 MB";
    EXPECT_EQ(after["weight_bytes"].get<std::size_t>() + moved, before["weight_bytes"]);
    EXPECT_GT(after["sequences"], before["sequences"]);
  }
  EXPECT_EQ(report("deepseek-v3 --gpu h100 --context 4096 --cpu-offload-gb 48")["nodes"], 1);
  const Outcome text = run("size " + model + " --cpu-offload-gb 8");
  EXPECT_THAT(text.out, AllOf(HasSubstr("host memory     up to 8.59 GB of each GPU's weights"),
                              HasSubstr("on host/GPU")));
}

TEST_F(Size, RefusalsSayWhatToDo) {
  const auto refused = [&](int code, const std::string& arguments, const std::string& sentence) {
    const Outcome outcome = run("size " + arguments);
    EXPECT_EQ(outcome.code, code) << arguments;
    EXPECT_THAT(outcome.err, AllOf(StartsWith("troupe: "), HasSubstr(sentence)));
    EXPECT_EQ(outcome.out, "");
  };
  refused(2, "", "CHECKPOINT|NAME is missing");
  refused(2, "deepseek-v4", "known ones, the nearest first: deepseek-v");
  refused(2, "deepseek-v3 --gpu h1000", "permitted: a100 h100 h200 b200");
  refused(2, "deepseek-v3 --nodes 0", "--nodes: '0' is out of range");
  refused(2, "deepseek-v3 --nodes 17", "--nodes: '17' is out of range");
  refused(2, "deepseek-v3 --nodes 3", "--nodes: '3' is not a power of two");
  refused(2, "deepseek-v3 --context 0", "--context: '0' is out of range");
  refused(2, "deepseek-v3 --gpu-memory-utilization 0", "--gpu-memory-utilization: '0' is out of range");
  refused(
      1, "deepseek-v3 --context 163841",
      "--context: 163841 is more than the 163840 positions that the model was made for; lower it or leave it out");
  refused(1, "/nowhere", "no such folder");
  refused(1, "deepseek-v2 --num-speculative-tokens 1", "there is no whole prediction layer");
}

}  // namespace
}  // namespace troupe::launch
