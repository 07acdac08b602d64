// What a server says of a start that cannot be.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/launch/program.hpp"

namespace troupe::launch {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A full sequence of the demo model takes 6.5 MB.
constexpr const char* short_of_memory = "serve --port 0 --kv-cache-memory-bytes 1M ";

class StartTest : public ProgramTest {
 protected:
  // Serves until it listens, or ends.
  Outcome served(const std::string& flags) {
    return run_shell(short_of_memory + flags,
                     "server=$!; until grep -q '\"listening\"' '" + (folder_ / "err").string() +
                         "' || ! kill -0 $server; do sleep 0.05; done; kill $server; wait $server");
  }
  json event(const Outcome& outcome, const std::string& name) {
    std::istringstream lines(outcome.err);
    for (std::string line; std::getline(lines, line);)
      if (const json told = json::parse(line, nullptr, false);
          told.is_object() && told.value("event", "") == name)
        return told;
    ADD_FAILURE() << "no " << name << " in " << outcome.err;
    return json::object();
  }
};

TEST_F(StartTest, TheErrorNamesWhatWouldFit) {
  const Outcome outcome = run(short_of_memory);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(
      outcome.err,
      AllOf(HasSubstr("one sequence of 4096 tokens takes 6553600 bytes, and 1048576 are left for the cache"),
            HasSubstr("It would start with --max-model-len 640."),
            HasSubstr("No --max-num-seqs, no --max-num-batched-tokens alone would do.")));
}

TEST_F(StartTest, WithDegradeItStartsWithLessAndSaysSo) {
  const Outcome outcome = served("--degrade");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const json told = event(outcome, "degraded");
  EXPECT_EQ(told["max_model_len"], 640);
  EXPECT_EQ(told["asked_max_model_len"], 4096);
  EXPECT_EQ(told["max_num_seqs"], told["asked_max_num_seqs"]) << "fewer would not have helped";
  EXPECT_EQ(told["max_num_batched_tokens"], told["asked_max_num_batched_tokens"]);
  EXPECT_EQ(event(outcome, "kv_cache_type")["type"], "f32");
}

TEST_F(StartTest, WhereNothingWouldFitDegradeEndsAsWell) {
  const Outcome outcome = run("serve --port 0 --kv-cache-memory-bytes 1K --degrade");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("Nothing would do"));
}

TEST_F(StartTest, BadFiltersAreNamedWithTheirPlace) {
  const auto file = temporary_.write(
      "filters.toml", "[[filter]]\nname = \"a\"\n[[filter.rule]]\npattern = 'a('\naction = \"stop\"\n");
  const Outcome outcome = run("serve --port 0 --output-filters " + file.string());
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("filters.toml:4: pattern: at byte 2"));
}

}  // namespace
}  // namespace troupe::launch
