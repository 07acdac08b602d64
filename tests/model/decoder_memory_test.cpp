// What a decoder would take, told without loading it.
#include <gmock/gmock.h>

#include "kernels/cpu/cpu_ops.hpp"
#include "model/decoder.hpp"
#include "tests/held_by.hpp"
#include "tests/model/checkpoint/checkpoint_folder.hpp"

namespace troupe::model {
namespace {

// Every byte of weights that is loaded is in a piece that is held.
TEST(DecoderMemory, IsWhatLoadingTakes) {
  const Checkpoint checkpoint = Checkpoint::open(DEMO_MODEL);
  const auto ops = kernels::make_cpu_ops(1);
  for (const bool expert_parallel : {false, true})
    for (const int rank : {0, 3})
      for (const bool prediction : {false, true}) {
        const ShardingPlan plan{
            .rank = rank, .tensor_parallel = 2, .data_parallel = 2, .expert_parallel = expert_parallel};
        const DecoderLimits limits{.max_tokens = 16, .max_positions = 64, .prediction = prediction};
        HeldBy node;
        MemoryKeeper keeper = node.next_life();
        load_decoder(checkpoint, *ops, plan, limits, {.keeper = &keeper});
        std::size_t held = 0;
        for (const HeldFile& file : node.files()) held += file.piece.bytes;
        EXPECT_EQ(decoder_memory(checkpoint, *ops, plan, limits).weights, held);
      }
}

TEST(DecoderMemory, OfAnOutlineIsThatOfTheCheckpoint) {
  const auto ops = kernels::make_cpu_ops(1);
  for (const char* folder : {DEMO_MODEL, TEST_DATA "/checkpoints/deepseek-v32-bf16",
                             TEST_DATA "/checkpoints/deepseek-v3-fp8", TEST_DATA "/checkpoints/llama-bf16"}) {
    const Checkpoint stored = Checkpoint::open(folder);
    const Checkpoint outline = Checkpoint::outline(stored.config_text(), "outline");
    EXPECT_EQ(outline.total_bytes(), stored.total_bytes()) << folder;
    const DecoderLimits limits{.max_positions = 64};
    const DecoderMemory of_stored = decoder_memory(stored, *ops, {}, limits),
                        of_outline = decoder_memory(outline, *ops, {}, limits);
    EXPECT_EQ(of_outline.weights, of_stored.weights) << folder;
    EXPECT_EQ(of_outline.workspace, of_stored.workspace) << folder;
  }
}

TEST(DecoderMemory, TheLastRankHasTheMost) {
  nlohmann::json uneven = small_config();
  uneven.update({{"moe_intermediate_size", 19},
                 {"intermediate_size", 41},
                 {"vocab_size", 97},
                 {"n_routed_experts", 12}});
  const Checkpoint checkpoint = Checkpoint::outline(uneven.dump(), "uneven");
  const auto ops = kernels::make_cpu_ops(1);
  for (const bool expert_parallel : {false, true})
    for (auto [tensor, data] : {std::pair{4, 1}, {2, 4}, {1, 8}}) {
      ShardingPlan plan{.tensor_parallel = tensor, .data_parallel = data, .expert_parallel = expert_parallel};
      const auto of_rank = [&](int rank) {
        plan.rank = rank;
        const DecoderMemory memory = decoder_memory(checkpoint, *ops, plan, {.max_positions = 64});
        return std::pair(memory.weights, memory.workspace);
      };
      const auto last = of_rank(plan.ranks() - 1);
      for (int rank = 0; rank < plan.ranks(); ++rank) {
        EXPECT_LE(of_rank(rank).first, last.first);
        EXPECT_LE(of_rank(rank).second, last.second);
      }
      EXPECT_LT(of_rank(0).first, last.first) << "nothing was uneven";
    }
}

TEST(DecoderMemory, GrowsWithSteps) {
  const Checkpoint checkpoint = Checkpoint::outline(small_config().dump(), "small");
  const auto ops = kernels::make_cpu_ops(1);
  const auto workspace = [&](const DecoderLimits& limits) {
    return decoder_memory(checkpoint, *ops, {}, limits).workspace;
  };
  const std::size_t least = workspace({.max_tokens = 1, .max_logit_rows = 1, .max_positions = 64});
  EXPECT_GT(workspace({.max_tokens = 100, .max_logit_rows = 1, .max_positions = 64}), least);
  EXPECT_GT(workspace({.max_tokens = 1, .max_logit_rows = 100, .max_positions = 64}), least);
  EXPECT_GT(workspace({.max_tokens = 1, .max_logit_rows = 1, .max_positions = 512}), least);
  EXPECT_GT(workspace({.max_tokens = 1, .max_logit_rows = 1, .max_positions = 64, .prediction = true}),
            least);
}

TEST(DecoderMemory, OfWhatCannotBeLoadedIsAnError) {
  const Checkpoint checkpoint = Checkpoint::outline(small_config().dump(), "small");
  const auto ops = kernels::make_cpu_ops(1);
  EXPECT_THAT(error_of([&] { decoder_memory(checkpoint, *ops, {.tensor_parallel = 8}, {}); }),
              testing::HasSubstr("4 attention heads cannot be split evenly over 8 ranks"));
}

}  // namespace
}  // namespace troupe::model
