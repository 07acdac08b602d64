#include <fstream>
#include <nlohmann/json.hpp>

#include "model/logits.hpp"
#include "tests/model/golden_ties.hpp"

namespace troupe::model {

struct Reference {
  const char* name;
  double tolerance;
};

// By a CPU and by a GPU.
class Goldens : public ::testing::TestWithParam<std::tuple<Reference, bool>> {};

TEST_P(Goldens, LogitsAgreeAtEveryPosition) {
  const auto [reference, gpu] = GetParam();
  const std::filesystem::path folder = std::filesystem::path(TEST_DATA) / "checkpoints" / reference.name;
  const Checkpoint checkpoint = Checkpoint::open(folder);
  const Golden golden = load_golden(folder);
  const kernels::cuda::GpuUnderTest machine;
  const auto ops = gpu ? kernels::cuda::GpuUnderTest::make_ops() : kernels::make_cpu_ops(2);
  const auto communicator = transport::device_communicator(transport::ThreadsMesh(1).communicator(0), *ops);
  const DecoderLimits limits{.max_tokens = 64, .max_logit_rows = 64, .max_positions = 512};
  const auto decoder = load_decoder(checkpoint, *ops, {}, limits);
  const auto queue = ops->make_queue();
  const Logits logits = logits_of(*decoder, checkpoint.config(), limits, *queue,
                                  {*communicator, *communicator}, {golden.batch, golden.length, golden.ids});
  ASSERT_EQ(golden.logits.size(), 2u * 150 * 320);
  EXPECT_LE(worst_difference(logits, logits_without_ties(checkpoint, golden)), reference.tolerance);
}

INSTANTIATE_TEST_SUITE_P(All, Goldens,
                         ::testing::Combine(::testing::Values(Reference{"deepseek-v3-bf16", 2e-4},
                                                              Reference{"deepseek-v3-yarn-f32", 2e-4},
                                                              Reference{"deepseek-v3-fp8", 5e-4}),
                                            ::testing::Bool()),
                         [](const auto& info) {
                           std::string name = std::get<Reference>(info.param).name;
                           std::ranges::replace(name, '-', '_');
                           return name + (std::get<bool>(info.param) ? "_on_a_gpu" : "");
                         });

// The first prompts side by side: prefilled in one step, then a token of each a step.
void expect_continuations(std::size_t prompts, std::size_t longest, const SessionOptions& options) {
  const Checkpoint checkpoint = Checkpoint::open(DEMO_MODEL);
  const auto goldens = nlohmann::json::parse(std::ifstream(std::string(TEST_DATA) + "/demo-goldens.json"));
  ASSERT_EQ(goldens.size(), 30u);
  std::vector<Tokens> expected;
  std::vector<Session::Part> parts;
  for (std::size_t i = 0; i < prompts; ++i) {
    parts.push_back({i, goldens[i].at("prompt_ids").get<Tokens>()});
    Tokens& output = expected.emplace_back(goldens[i].at("output_ids").get<Tokens>());
    output.resize(std::min(output.size(), longest));
  }
  std::vector<Tokens> produced(expected.size());
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

TEST(DemoModel, ContinuesEveryPromptAsTheReferenceDoes) {
  expect_continuations(30, 1000, {.threads = 2, .block_size = 32});
}

TEST(DemoModel, ContinuesPromptsOnAGpuAsTheReferenceDoes) {
  expect_continuations(3, 8, {.gpu = true, .block_size = 32});
}

}  // namespace troupe::model
