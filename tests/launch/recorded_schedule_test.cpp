// A schedule that the program records while it answers, played and asked what other policies would have done.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/launch/program.hpp"

namespace troupe::launch {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class RecordedSchedule : public ProgramTest {
 protected:
  static constexpr int requests = 24;

  std::string at(const std::string& name) const { return "'" + (folder_ / name).string() + "' "; }

  // Answers requests that share their beginnings, and leaves `schedule`.
  void SetUp() override {
    std::string lines;
    for (int i = 0; i < requests; ++i)
      lines += json{{"custom_id", std::to_string(i)},
                    {"method", "POST"},
                    {"url", "/v1/chat/completions"},
                    {"body",
                     {{"model", "troupe-mini"},
                      {"temperature", 0},
                      {"max_tokens", 5 + i % 7},
                      {"messages", {{{"role", "user"}, {"content", i % 2 ? secret : "Who are you?"}}}}}}}
                   .dump() +
               "\n";
    temporary_.write("in.jsonl", lines);
    const Outcome outcome = run("run-batch -i " + at("in.jsonl") + "-o " + at("out.jsonl") +
                                "--max-num-seqs 4 --record-schedule " + at("schedule") + flags_);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  json replayed(const std::string& arguments) {
    const Outcome outcome = run("simulate --json --replay " + at("schedule") + arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return json::parse(outcome.out);
  }

  const std::string secret = "Count from 1 to 100 and say nothing of elderberries.";
  std::string flags_ = "--scheduling-policy vtc --policy-option output_weight=3";
};

TEST_F(RecordedSchedule, IsPlayedStepByStep) {
  const json found = replayed("");
  ASSERT_EQ(found["policies"].size(), 1u);
  EXPECT_EQ(found["policies"][0]["policy"], "recorded");
  EXPECT_EQ(found["policies"][0]["completed"], requests);
  EXPECT_GT(found["policies"][0]["cached_percent"], 10) << "prompts share their beginnings";
  EXPECT_THAT(found["notes"][0], HasSubstr("24 sequences that ended are planned as they were"));
  EXPECT_THAT(run("simulate --replay " + at("schedule")).out, HasSubstr("TTFT p50 (ms)"));
}

TEST_F(RecordedSchedule, OtherPoliciesServeTheSameArrivals) {
  const json found = replayed("--compare fcfs,mlfq");
  ASSERT_EQ(found["policies"].size(), 3u);
  for (const json& policy : found["policies"]) EXPECT_EQ(policy["completed"], requests) << policy["policy"];
  EXPECT_GT(found["policies"][1]["cached_percent"], 10);
  const auto output = [&](int i) -> double { return found["policies"][i]["output_throughput"]; };
  EXPECT_GT(output(1), 0);
}

TEST_F(RecordedSchedule, HoldsNoText) {
  const std::string bytes = read_file(folder_ / "schedule");
  EXPECT_GT(bytes.size(), 1000u);
  for (const char* text : {"elderberries", "Count from", "Who are you"})
    EXPECT_EQ(bytes.find(text), bytes.npos) << text;
}

TEST_F(RecordedSchedule, CutAndDamagedFilesEndInWords) {
  const std::string bytes = read_file(folder_ / "schedule");
  temporary_.write("schedule", bytes.substr(0, bytes.size() - 5));
  const json found = replayed("");
  EXPECT_THAT(found["notes"][0], HasSubstr("is cut off at byte "));
  std::string damaged = bytes;
  damaged[damaged.size() / 2] = char(damaged[damaged.size() / 2] ^ 1);
  temporary_.write("schedule", damaged);
  const Outcome outcome = run("simulate --replay " + at("schedule"));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("is damaged at byte "));
  EXPECT_EQ(run("simulate --replay /no/such/file").code, 1);
  EXPECT_EQ(run("simulate --trace x --replay " + at("schedule")).code, 2);
}

}  // namespace
}  // namespace troupe::launch
