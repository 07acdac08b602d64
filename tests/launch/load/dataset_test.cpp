#include "launch/load/dataset.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/temporary_folder.hpp"

namespace troupe::launch::load {
namespace {

using Tokens = std::vector<TokenId>;
using ::testing::HasSubstr;

class Dataset : public testing::Test {
 protected:
  static const Tokens& tokens(const Sample& sample) { return std::get<Tokens>(sample.prompt); }

  const model::Tokenizer tokenizer_ = model::Tokenizer::load(DEMO_MODEL "/tokenizer.json");
  const TemporaryFolder folder_;
};

TEST_F(Dataset, RandomPromptsHaveTheirLengthsAndSeed) {
  const auto samples = random_samples(tokenizer_, {.input_len = 20, .output_len = 7, .prefix_len = 5}, 10, 3);
  ASSERT_EQ(samples.size(), 10u);
  for (const Sample& each : samples) {
    EXPECT_EQ(tokens(each).size(), 25u);
    EXPECT_TRUE(std::equal(tokens(each).begin(), tokens(each).begin() + 5, tokens(samples[0]).begin()));
    EXPECT_EQ(each.output_len, 7);
    for (const TokenId id : tokens(each)) EXPECT_FALSE(tokenizer_.is_special(id));
  }
  EXPECT_NE(tokens(samples[0]), tokens(samples[1]));
  const auto first = [&](std::uint64_t seed) { return tokens(random_samples(tokenizer_, {}, 1, seed)[0]); };
  EXPECT_EQ(first(3), first(3));
  EXPECT_NE(first(3), first(4));
}

TEST_F(Dataset, RandomLengthsFillTheirRange) {
  std::set<std::size_t> lengths;
  for (const Sample& each : random_samples(tokenizer_, {.input_len = 10, .range_ratio = 0.5}, 500, 1))
    lengths.insert(tokens(each).size());
  EXPECT_EQ(*lengths.begin(), 5u);
  EXPECT_EQ(*lengths.rbegin(), 15u);
  EXPECT_EQ(lengths.size(), 11u);
}

TEST_F(Dataset, PrefixesAreSharedEvenly) {
  const auto samples = prefix_repetition_samples(
      tokenizer_, {.prefix_len = 6, .suffix_len = 4, .num_prefixes = 3, .output_len = 2}, 12, 1);
  std::map<Tokens, int> prefixes;
  std::set<Tokens> prompts;
  for (const Sample& each : samples) {
    ++prefixes[Tokens(tokens(each).begin(), tokens(each).begin() + 6)];
    prompts.insert(tokens(each));
  }
  EXPECT_EQ(prompts.size(), 12u);
  ASSERT_EQ(prefixes.size(), 3u);
  for (const auto& [prefix, count] : prefixes) EXPECT_EQ(count, 4);
}

TEST_F(Dataset, TracesTellLengthsAndTimes) {
  folder_.write("trace.csv", "arrived_at,num_prefill_tokens,num_decode_tokens\n2.5,3,4\n2.75,1,2\n9,9,9\n");
  const auto samples = trace_samples(tokenizer_, folder_.path() / "trace.csv", 2, 1);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(tokens(samples[0]).size(), 3u);
  EXPECT_EQ(samples[0].output_len, 4);
  EXPECT_EQ(samples[0].arrival, 0.0);
  EXPECT_EQ(samples[1].arrival, 0.25);
}

TEST_F(Dataset, BadLinesOfATraceAreNamed) {
  const auto failure = [&](const std::string& lines) -> std::string {
    folder_.write("trace.csv", lines);
    try {
      trace_samples(tokenizer_, folder_.path() / "trace.csv", 10, 1);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const std::string head = "arrived_at,num_prefill_tokens,num_decode_tokens\n";
  EXPECT_THAT(failure("a,b\n"), HasSubstr("trace.csv:1"));
  EXPECT_THAT(failure(head), HasSubstr("has no requests"));
  for (const char* line : {"x", "1,2", "1,2,3,4", "1,0,3", "1,2,-3", "-1,2,3", "1,2,99999999999"})
    EXPECT_THAT(failure(head + "0,1,1\n" + line + "\n"), HasSubstr("trace.csv:3")) << line;
  EXPECT_THAT(failure(head + "5,1,1\n4,1,1\n"), HasSubstr("arrives before"));
}

TEST_F(Dataset, CustomPromptsAreTexts) {
  folder_.write("lines", "{\"prompt\": \"a\"}\n{\"prompt\": \"b\", \"output_tokens\": 9}\n{\"text\": 1}\n");
  const auto samples = custom_samples(folder_.path() / "lines", 5, 2);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(std::get<std::string>(samples[1].prompt), "b");
  EXPECT_EQ(samples[0].output_len, 5);
  EXPECT_EQ(samples[1].output_len, 9);
  EXPECT_THROW(custom_samples(folder_.path() / "lines", 5, 3), Error);
  EXPECT_THROW(custom_samples(folder_.path() / "none", 5, 3), Error);
}

}  // namespace
}  // namespace troupe::launch::load
