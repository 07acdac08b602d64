// Weights that stay in the host's memory: which, and that answers are the same bytes.
#include "model/graphs/offload.hpp"

#include <gmock/gmock.h>

#include "tests/error_of.hpp"
#include "tests/model/graphs/decoder_session.hpp"

namespace troupe::model {
namespace {

using Use = WeightUse;
using kernels::cuda::GpuUnderTest;

constexpr WeightUnit units_of_two_layers[] = {
    {Use::embedding},           {Use::head},
    {Use::attention, 0},        {Use::attention, 1},
    {Use::feed_forward, 0},     {Use::feed_forward, 1},
    {Use::routed_expert, 0, 4}, {Use::routed_expert, 0, 5},
    {Use::routed_expert, 1, 4}, {Use::routed_expert, 1, 5},
};

// Of units of ten bytes each, those that a budget puts on the host.
std::vector<WeightUnit> chosen(std::size_t budget) {
  Offload offload;
  for (const WeightUnit& unit : units_of_two_layers) offload.count(unit, 10);
  offload.choose(budget);
  std::vector<WeightUnit> there;
  for (const WeightUnit& unit : units_of_two_layers)
    if (offload.on_host(unit)) there.push_back(unit);
  std::ranges::sort(there);
  return there;
}

TEST(Offload, BeginsWithWhatAStepReadsLeastOf) {
  const std::vector<WeightUnit> order{{Use::embedding},           {Use::routed_expert, 1, 4},
                                      {Use::routed_expert, 1, 5}, {Use::routed_expert, 0, 4},
                                      {Use::routed_expert, 0, 5}, {Use::feed_forward, 1},
                                      {Use::feed_forward, 0},     {Use::attention, 1},
                                      {Use::attention, 0},        {Use::head}};
  for (std::size_t n = 0; n <= order.size(); ++n) {
    const std::vector<WeightUnit> first(order.begin(), order.begin() + std::ptrdiff_t(n));
    EXPECT_EQ(chosen(10 * n), first);
    EXPECT_EQ(chosen(10 * n + 9), first);
  }
}

TEST(Offload, PassesOverWhatIsTooLarge) {
  Offload offload;
  offload.count({Use::embedding}, 100);
  offload.count({Use::routed_expert, 3, 0}, 20);
  offload.count({Use::routed_expert, 3, 1}, 20);
  offload.choose(30);
  EXPECT_FALSE(offload.on_host({Use::embedding}));
  EXPECT_TRUE(offload.on_host({Use::routed_expert, 3, 0}));
  EXPECT_FALSE(offload.on_host({Use::routed_expert, 3, 1}));
  EXPECT_TRUE(offload.any());
  EXPECT_FALSE(Offload().any());
}

TEST(Offload, AnExpertThatWasPlacedIsWhereAllOthersOfItsLayerAre) {
  Offload offload;
  for (const std::int64_t layer : {0, 1})
    for (const std::int64_t expert : {4, 5}) offload.count({Use::routed_expert, layer, expert}, 10);
  offload.choose(30);
  EXPECT_TRUE(offload.on_host({Use::routed_expert, 1, 9}));
  EXPECT_FALSE(offload.on_host({Use::routed_expert, 0, 9}));
  EXPECT_FALSE(offload.on_host({Use::routed_expert, 7, 9}));
}

class OffloadedDecoder : public ::testing::TestWithParam<const char*> {
 protected:
  const Checkpoint checkpoint_ =
      Checkpoint::open(std::filesystem::path(TEST_DATA) / "checkpoints" / GetParam());
};

// On one GPU and on two, experts whole and in parts; between nothing and everything.
TEST_P(OffloadedDecoder, HasTheSameBytes) {
  const Tokens text{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};
  const auto logits = [&](SessionOptions options, std::size_t on_host) {
    options.limits.host_weight_bytes = on_host;
    return on_ranks(checkpoint_, options, [&](Session& session) { return session.text(0, text, 5); });
  };
  const Logits expected = logits({}, 0);
  const std::size_t all = checkpoint_.total_bytes();
  for (const std::size_t on_host : {all / 8, all / 2, 2 * all}) {
    EXPECT_TRUE(same_bytes(logits({.gpu = true}, on_host), expected)) << on_host;
    EXPECT_TRUE(same_bytes(logits({.tensor_parallel = 2, .gpu = true}, on_host / 2), expected)) << on_host;
  }
  if (checkpoint_.config().n_routed_experts > 0) {
    EXPECT_TRUE(
        same_bytes(logits({.tensor_parallel = 2, .expert_parallel = true, .gpu = true}, all / 3), expected));
  }
}

// What leaves the device is no more than the budget, and the device has that much less in use.
TEST_P(OffloadedDecoder, TakesOfTheDeviceWhatIsLeft) {
  if (kernels::cuda::tests_run_on_a_real_gpu()) GTEST_SKIP() << "a real one has other memory in use";
  const auto used = [&](std::size_t on_host) {
    const GpuUnderTest machine;
    const auto ops = GpuUnderTest::make_ops();
    const auto decoder =
        load_decoder(checkpoint_, *ops, {}, {.max_positions = 64, .host_weight_bytes = on_host});
    return ops->memory().used;
  };
  const std::size_t whole = used(0), all = checkpoint_.total_bytes();
  const auto ops = kernels::make_cpu_ops(1);
  for (const std::size_t on_host : {std::size_t(1), all / 4, all / 2, 2 * all}) {
    const DecoderMemory memory =
        decoder_memory(checkpoint_, *ops, {}, {.max_positions = 64, .host_weight_bytes = on_host});
    EXPECT_LE(memory.host_weights, on_host);
    EXPECT_EQ(memory.weights + memory.host_weights,
              decoder_memory(checkpoint_, *ops, {}, {.max_positions = 64}).weights);
    EXPECT_EQ(whole - used(on_host), memory.host_weights);
    if (on_host > all) {
      EXPECT_LT(memory.weights, all / 4) << "norms, biases and routers";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, OffloadedDecoder,
                         ::testing::Values("deepseek-v3-fp8", "qwen2-bf16", "deepseek-v32-bf16"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(OffloadedExperts, ArePlacedWithTheSameBytes) {
  const Checkpoint checkpoint = Checkpoint::open(DEMO_MODEL);
  transport::ExpertPlacement moved = transport::ExpertPlacement::spread(16, 2);
  moved.holders[0] = {1};
  moved.holders[9] = {0, 1};
  const Tokens text{1, 2, 3, 4, 5, 6, 7, 8};
  const auto logits = [&](SessionOptions options, bool place) {
    return on_ranks(checkpoint, options, [&](Session& session) {
      if (place) {
        EXPECT_TRUE(bool(session.decoder().place(moved)));
      }
      return session.text(0, text, 3);
    });
  };
  SessionOptions offloaded{.tensor_parallel = 2, .expert_parallel = true, .gpu = true};
  offloaded.limits.host_weight_bytes = checkpoint.total_bytes() / 4;
  const Logits expected = logits({}, false);
  EXPECT_TRUE(same_bytes(logits(offloaded, false), expected));
  EXPECT_TRUE(same_bytes(logits(offloaded, true), expected));
}

TEST(OffloadedExperts, AHostWithTooLittleMemoryIsToldOf) {
  if (kernels::cuda::tests_run_on_a_real_gpu()) GTEST_SKIP() << "a real host has as much as it has";
  const Checkpoint checkpoint = Checkpoint::open(DEMO_MODEL);
  const GpuUnderTest machine;
  kernels::cuda::DeviceCalls calls = kernels::cuda::emulated::Machine::calls();
  calls.register_host = [](void*, std::size_t, unsigned) { return kernels::cuda::out_of_memory; };
  kernels::cuda::CudaOps ops(
      std::make_shared<kernels::cuda::Gpu>(calls, kernels::cuda::emulated::Machine::images(), 0));
  EXPECT_THAT(
      error_of(
          [&] { load_decoder(checkpoint, ops, {}, {.max_positions = 64, .host_weight_bytes = 1 << 20}); }),
      testing::AllOf(testing::HasSubstr("cannot page-lock"), testing::HasSubstr("in the host's memory"),
                     testing::HasSubstr("lower --cpu-offload-gb")));
}

}  // namespace
}  // namespace troupe::model
