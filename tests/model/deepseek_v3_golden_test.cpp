#include <fstream>
#include <nlohmann/json.hpp>

#include "model/logits.hpp"
#include "tests/model/golden_ties.hpp"

namespace troupe::model {

struct Reference {
  const char* name;
  double tolerance;
};

class Goldens : public ::testing::TestWithParam<Reference> {};

TEST_P(Goldens, LogitsAgreeAtEveryPosition) {
  const std::filesystem::path folder = std::filesystem::path(TEST_DATA) / "checkpoints" / GetParam().name;
  const Checkpoint checkpoint = Checkpoint::open(folder);
  const Golden golden = load_golden(folder);
  auto ops = kernels::make_cpu_ops(2);
  auto communicator = transport::ThreadsMesh(1).communicator(0);
  const DecoderLimits limits{.max_tokens = 64, .max_logit_rows = 64, .max_positions = 512};
  auto decoder = load_decoder(checkpoint, *ops, {}, limits);
  kernels::ImmediateQueue queue;
  const Logits logits = logits_of(*decoder, checkpoint.config(), limits, queue,
                                  {*communicator, *communicator}, {golden.batch, golden.length, golden.ids});
  ASSERT_EQ(golden.logits.size(), 2u * 150 * 320);
  EXPECT_LE(worst_difference(logits, logits_without_ties(checkpoint, golden)), GetParam().tolerance);
}

INSTANTIATE_TEST_SUITE_P(All, Goldens,
                         ::testing::Values(Reference{"deepseek-v3-bf16", 2e-4},
                                           Reference{"deepseek-v3-yarn-f32", 2e-4},
                                           Reference{"deepseek-v3-fp8", 5e-4}),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

// All prompts side by side: prefilled in one step, then a token of each a step.
TEST(DemoModel, ContinuesEveryPromptAsTheReferenceDoes) {
  const Checkpoint checkpoint = Checkpoint::open(DEMO_MODEL);
  const auto goldens = nlohmann::json::parse(std::ifstream(std::string(TEST_DATA) + "/demo-goldens.json"));
  ASSERT_EQ(goldens.size(), 30u);
  std::vector<Tokens> expected;
  std::vector<Session::Part> parts;
  for (const auto& golden : goldens) {
    parts.push_back({parts.size(), golden.at("prompt_ids").get<Tokens>()});
    expected.push_back(golden.at("output_ids").get<Tokens>());
  }
  std::vector<Tokens> produced(expected.size());
  const SessionOptions options{.threads = 2, .block_size = 32};
  on_ranks(checkpoint, options, [&](Session& session) {
    const std::size_t vocabulary = std::size_t(checkpoint.config().vocab_size);
    while (!parts.empty()) {
      const Logits logits = session.step(parts);
      auto row = logits.begin();
      std::vector<Session::Part> next;
      for (const Session::Part& part : parts) {
        row += std::ptrdiff_t(part.tokens.size() * vocabulary);
        const auto last = row - std::ptrdiff_t(vocabulary);
        Tokens& output = produced[part.sequence];
        output.push_back(TokenId(std::max_element(last, row) - last));
        if (output.size() < expected[part.sequence].size()) next.push_back({part.sequence, {output.back()}});
      }
      parts = std::move(next);
    }
    return Logits();
  });
  EXPECT_EQ(produced, expected);
}

}  // namespace troupe::model
