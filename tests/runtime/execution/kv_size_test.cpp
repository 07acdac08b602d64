#include "runtime/execution/kv_size.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/error.hpp"

namespace troupe::runtime {
namespace {

constexpr std::size_t mebibyte = std::size_t(1) << 20;

TEST(KvSize, DividesBytesIntoBlocks) {
  const KvSize size = kv_size({.bytes = 100000}, {100, 16, 100}, {});
  EXPECT_EQ(size.blocks, 62);
  EXPECT_EQ(size.bytes, 62u * 1600u);
  EXPECT_EQ(size.full_length_sequences, 8);  // seven blocks each
}

TEST(KvSize, TakesItsShareOfMemoryLessWhatIsUsed) {
  const KvSize size =
      kv_size({.memory_utilization = 0.5}, {1024, 16, 1024}, {100 * mebibyte, 10 * mebibyte, false});
  EXPECT_EQ(size.bytes, 40 * mebibyte);
  EXPECT_EQ(size.full_length_sequences, 40);
}

TEST(KvCacheType, IsTheOneThatWasNamedOrByTheLengthOfSequences) {
  using kernels::CacheType;
  for (const std::int64_t positions : {1, 8192, 1 << 20}) {
    EXPECT_EQ(kv_cache_type("f32", positions), CacheType::f32);
    EXPECT_EQ(kv_cache_type("bf16", positions), CacheType::bf16);
    EXPECT_EQ(kv_cache_type("fp8", positions), CacheType::fp8);
  }
  EXPECT_EQ(kv_cache_type("auto", auto_bf16_positions - 1), CacheType::f32);
  EXPECT_EQ(kv_cache_type("auto", auto_bf16_positions), CacheType::bf16);
  EXPECT_DEATH(kv_cache_type("fp4", 1), "a type of cache");
}

// What kv_size refuses, its parts tell as it is.
TEST(KvSize, PartsRefuseNothing) {
  const KvShape shape{1024, 16, 1000};
  EXPECT_EQ(full_length_blocks(shape), 63);
  EXPECT_EQ(granted_bytes({.memory_utilization = 0.5}, {100 * mebibyte, 60 * mebibyte, false}), 0u);
  EXPECT_EQ(granted_bytes({.memory_utilization = 0.5}, {100 * mebibyte, 10 * mebibyte, false}),
            40 * mebibyte);
  EXPECT_EQ(granted_bytes({.memory_utilization = 0.5, .ranks_of_host = 4}, {400 * mebibyte, 0, true}),
            50 * mebibyte);
  EXPECT_EQ(granted_bytes({.bytes = 7}, {}), 7u);
  EXPECT_EQ(blocks_in(0, shape), 0);
  EXPECT_EQ(blocks_in(mebibyte - 1, shape), 63);
}

TEST(KvSize, CountsNoMoreBlocksThanTheirIdsCanName) {
  EXPECT_EQ(kv_size({.bytes = std::size_t(1) << 60}, {1, 1, 16}, {}).blocks, 2147483647);
}

TEST(KvSize, RefusesToHoldNotEvenOneSequence) {
  const KvShape shape{1024, 16, 1024};
  EXPECT_EQ(kv_size({.bytes = mebibyte}, shape, {}).full_length_sequences, 1);
  try {
    kv_size({.bytes = mebibyte - 1}, shape, {});
    FAIL() << "too small a cache was accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("1024 tokens takes 1048576 bytes, and 1048575 are left"));
    EXPECT_THAT(error.what(), ::testing::HasSubstr("--max-model-len"));
  }
  EXPECT_THROW(kv_size({.memory_utilization = 0.5}, shape, {100 * mebibyte, 60 * mebibyte, false}), Error);
}

// A GPU is one rank's; a host is shared.
TEST(KvSize, RanksOfAHostShareItsMemoryAlone) {
  const KvBudget budget{.memory_utilization = 0.5, .ranks_of_host = 4};
  const KvShape shape{1024, 16, 1024};
  EXPECT_EQ(kv_size(budget, shape, {400 * mebibyte, 10 * mebibyte, true}).bytes, 40 * mebibyte);
  EXPECT_EQ(kv_size(budget, shape, {400 * mebibyte, 10 * mebibyte, false}).bytes, 190 * mebibyte);
}

TEST(KvSize, IsCutToWhatSoManySequencesTake) {
  const KvShape shape{.bytes_per_token = 100, .block_size = 16, .max_model_len = 40};
  const auto with = [&](std::int32_t sequences) {
    return kv_size({.memory_utilization = 1, .max_sequences = sequences}, shape, {480'000, 0, false});
  };
  EXPECT_EQ(with(0).full_length_sequences, 100);
  EXPECT_EQ(with(200).blocks, with(0).blocks);
  EXPECT_EQ(with(7).blocks, 21);
  EXPECT_EQ(with(7).bytes, 21u * 1600);
  EXPECT_EQ(with(7).full_length_sequences, 7);
  EXPECT_EQ(kv_size({.bytes = 480'000, .max_sequences = 7}, shape, {}).blocks, with(0).blocks);
}

}  // namespace
}  // namespace troupe::runtime
