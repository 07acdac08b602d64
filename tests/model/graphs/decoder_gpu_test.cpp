// A GPU that fails a model.
#include "tests/error_of.hpp"
#include "tests/model/graphs/decoder_session.hpp"

namespace troupe::model {
namespace {

using kernels::cuda::GpuUnderTest;

TEST(GpuModel, AKernelThatFailsIsNamedWithItsLayer) {
  if (kernels::cuda::tests_run_on_a_real_gpu()) GTEST_SKIP() << "a real one does not fail when it is told to";
  const GpuUnderTest machine(
      {.failing_kernel = "attention", .failing_launch = 1, .failure = kernels::cuda::ecc_uncorrectable});
  const SessionOptions options;
  const auto ops = GpuUnderTest::make_ops();
  const auto alone = transport::device_communicator(transport::ThreadsMesh(1).communicator(0), *ops);
  TickBoard board;
  const Checkpoint checkpoint =
      Checkpoint::open(std::filesystem::path(TEST_DATA) / "checkpoints" / "deepseek-v3-bf16");
  const auto decoder = load_decoder(checkpoint, *ops, {}, options.limits, {.ticks = &board});
  Session session(*decoder, {*alone, *alone}, options);
  try {
    session.step({{0, {1, 2, 3, 4}}});
    FAIL();
  } catch (const DeviceError& failed) {
    EXPECT_EQ(failed.fault.kind, DeviceFaultKind::ecc);
    EXPECT_NE(failed.fault.kernels.find("attention"), std::string::npos) << failed.fault.kernels;
  }
  EXPECT_EQ(board.read().layer, 1);
}

// For the weights, for what steps work in, or for the cache.
TEST(GpuModel, TooLittleMemoryIsAnErrorThatSaysWhatToLower) {
  if (kernels::cuda::tests_run_on_a_real_gpu()) GTEST_SKIP() << "a real one has as much as it has";
  const Checkpoint checkpoint = Checkpoint::open(DEMO_MODEL);
  const DecoderLimits limits{.max_tokens = 256, .max_logit_rows = 64, .max_positions = 512};
  int refused = 0;
  for (std::size_t memory = 1 << 20;; memory = memory * 5 / 4, ++refused) {
    const GpuUnderTest machine({.memory = memory});
    const auto ops = GpuUnderTest::make_ops();
    const std::string error =
        error_of([&] { load_decoder(checkpoint, *ops, {}, limits)->make_cache(1000, 16); });
    if (error == "no error") break;
    EXPECT_THAT(error, testing::HasSubstr(" of " + std::to_string(memory) + " are free"));
    for (const char* flag : {"--gpu-memory-utilization", "--max-model-len", "--max-num-batched-tokens"})
      EXPECT_THAT(error, testing::HasSubstr(flag));
  }
  EXPECT_GT(refused, 10);
}

}  // namespace
}  // namespace troupe::model
