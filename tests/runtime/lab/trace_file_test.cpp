#include "runtime/lab/trace_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::runtime::lab {
namespace {

class TraceFile : public ::testing::Test {
 protected:
  std::vector<TraceRequest> read(const std::string& text) {
    const auto file = folder_.path() / "trace";
    std::ofstream(file) << text;
    const auto trace = open_trace(file);
    shares_prefixes_ = trace->shares_prefixes();
    std::vector<TraceRequest> requests;
    while (auto next = trace->next()) requests.push_back(*next);
    return requests;
  }
  // Without the folder.
  std::string failure(const std::string& text) {
    const std::string what = error_of([&] { read(text); });
    const std::string path = (folder_.path() / "").string();
    return what.starts_with(path) ? what.substr(path.size()) : what;
  }

  TemporaryFolder folder_;
  bool shares_prefixes_ = false;
};

TEST_F(TraceFile, ReadsThePublishedFormOfSplitwise) {
  const auto trace = open_trace(std::string(TEST_DATA) + "/traces/splitwise_conv_head.csv");
  const auto first = trace->next(), second = trace->next();
  EXPECT_EQ(first->arrives, 0);
  EXPECT_EQ(first->prompt_tokens(), 374);
  EXPECT_EQ(first->output_tokens, 44);
  EXPECT_DOUBLE_EQ(second->arrives, 4.314579);
  EXPECT_NE(first->prompt.front().content, second->prompt.front().content);
  EXPECT_NE(first->answer, second->answer);
  int rest = 0;
  while (trace->next()) ++rest;
  EXPECT_EQ(rest, 48);
  EXPECT_FALSE(trace->shares_prefixes());
}

TEST_F(TraceFile, ReadsAzuresDates) {
  const auto requests = read(
      "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
      "2024-05-10 23:59:59.500000+00:00,2162,5\r\n"
      "2024-05-11 00:00:01+00:00,2399,6\r\n"
      "2024-05-11 00:00:01.2500001,1,1\n");
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].arrives, 0);
  EXPECT_EQ(requests[1].arrives, 1.5);
  EXPECT_NEAR(requests[2].arrives, 1.75, 1e-6);
  EXPECT_EQ(requests[1].prompt_tokens(), 2399);
}

TEST_F(TraceFile, ReadsBurstGpt) {
  const auto requests = read(
      "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
      "5,1,2.5,ChatGPT,472,18,490,Conversation log\n"
      "6,one,2.5,ChatGPT,1087,0,1087,Conversation log\n"
      "45,one,2.5,GPT-4,417,276,693,API log\n");
  ASSERT_EQ(requests.size(), 2u) << "one has failed";
  EXPECT_EQ(requests[1].arrives, 40);
  EXPECT_EQ(requests[1].prompt_tokens(), 417);
  EXPECT_EQ(requests[1].output_tokens, 276);
  EXPECT_EQ(requests[0].caller, 1u);
  EXPECT_NE(requests[1].caller, 1u);
}

TEST_F(TraceFile, ReadsMooncakesPrefixes) {
  const auto requests =
      read(R"({"timestamp": 27482, "input_length": 1000, "output_length": 52, "hash_ids": [46, 47]})"
           "\n"
           R"({"timestamp": 30535, "input_length": 512, "output_length": 26, "hash_ids": [46]})"
           "\n");
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_TRUE(shares_prefixes_);
  EXPECT_NEAR(requests[1].arrives, 3.053, 1e-9);
  ASSERT_EQ(requests[0].prompt.size(), 2u);
  EXPECT_EQ(requests[0].prompt[1].tokens, 488);
  EXPECT_EQ(requests[0].prompt[0].content, requests[1].prompt[0].content);
  EXPECT_NE(requests[0].prompt[0].content, requests[0].prompt[1].content);
}

TEST_F(TraceFile, ReadsColumnsOfOurs) {
  const auto requests = read(
      "arrived_at,num_prefill_tokens,num_decode_tokens,caller,priority,ttft_slo_ms,tpot_slo_ms,latency_slo_ms\n"
      "0,1,2,3,-4,5,6,7\n1,1,1,alice,,,,\n");
  EXPECT_EQ(requests[0].caller, 3u);
  EXPECT_EQ(requests[0].priority, -4);
  EXPECT_EQ(requests[0].slo, (ServiceLevels{5, 6, 7}));
  EXPECT_TRUE(requests[1].slo.none());
}

TEST_F(TraceFile, SaysWhereAFileIsWrong) {
  const std::string head = "arrived_at,num_prefill_tokens,num_decode_tokens\n";
  EXPECT_EQ(failure(""), "trace: is empty");
  EXPECT_EQ(failure("a,b\n"), "trace:1: the columns are those of no trace that is known: a,b");
  EXPECT_EQ(failure(head + "0,1\n"), "trace:2: has 2 columns, not 3");
  EXPECT_EQ(failure(head + "0,1,1\nx,1,1\n"), "trace:3: no such number: 'x'");
  EXPECT_EQ(failure(head + "0,-1,1\n"), "trace:2: a number out of range");
  EXPECT_EQ(failure(head + "nan,1,1\n"), "trace:2: a number out of range");
  EXPECT_EQ(failure(head + "0,99999999999,1\n"),
            "trace:2: a prompt or an answer of more than 16777216 tokens");
  EXPECT_EQ(failure(head + "0,999999999999999999999,1\n"),
            "trace:2: no such number: '999999999999999999999'");
  EXPECT_EQ(failure(head + "1,1,1\n0,1,1\n"), "trace:3: arrives before the line above");
  EXPECT_EQ(failure("TIMESTAMP,ContextTokens,GeneratedTokens\n2024-02-30 00:00:00,1,1\n"),
            "trace:2: no date: '2024-02-30 00:00:00'");
  EXPECT_EQ(failure("{}\n"), "trace:1: timestamp must be a whole number, at least 0");
  EXPECT_EQ(failure("{\n"), "trace:1: no JSON object");
  EXPECT_EQ(failure(R"({"timestamp": 1, "input_length": 513, "output_length": 1, "hash_ids": [1]})"),
            "trace:1: hash_ids must be 2 numbers");
  EXPECT_EQ(failure(R"({"timestamp": 1, "input_length": 5, "output_length": 1, "hash_ids": [-1]})"),
            "trace:1: hash_ids must be whole numbers, at least 0");
  EXPECT_EQ(failure(R"({"timestamp": 1, "input_length": 99999999999, "output_length": 1, "hash_ids": []})"),
            "trace:1: a prompt or an answer of more than 16777216 tokens");
  EXPECT_EQ(failure("arrived_at" + std::string(most_line_bytes, 'x')),
            "trace:1: is longer than 4194304 bytes");
  EXPECT_NE(error_of([] { open_trace("/no/such/file"); }), "");
}

TEST_F(TraceFile, WindowsAreFasterShorterAndComeAgain) {
  const auto file = folder_.path() / "trace";
  std::ofstream(file) << "arrived_at,num_prefill_tokens,num_decode_tokens\n0,1,1\n4,2,1\n";
  const auto arrivals = [&](std::uint64_t requests, double speed, std::uint64_t rounds) {
    TraceWindow window([&] { return open_trace(file); }, requests, speed, rounds);
    std::vector<double> times;
    while (const auto next = window.next()) times.push_back(next->arrives);
    return times;
  };
  EXPECT_THAT(arrivals(9, 2, 1), testing::ElementsAre(0, 2));
  EXPECT_THAT(arrivals(5, 2, 9), testing::ElementsAre(0, 2, 2, 4, 4));
  EXPECT_THAT(arrivals(9, 1, 2), testing::ElementsAre(0, 4, 4, 8));
}

}  // namespace
}  // namespace troupe::runtime::lab
