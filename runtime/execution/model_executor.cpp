#include <algorithm>

#include "runtime/execution/model_executor.hpp"

namespace troupe::runtime {
namespace {

// A group's slices in the form that kernels take. Refers to the plan's block tables.
struct Batch {
  std::vector<TokenId> tokens;
  kernels::StepLayout layout;
  std::vector<std::int32_t> logit_rows;
  std::vector<kernels::SamplingRow> sampling;  // one a logit row
  std::vector<SequenceId> sequences;           // likewise
};

Batch batch_of(std::span<const Slice> slices, const model::KvCache& cache) {
  Batch batch;
  for (const Slice& slice : slices) {
    const auto first_row = std::int64_t(batch.tokens.size()), rows = std::int64_t(slice.tokens.size());
    const std::int64_t covered = std::int64_t(slice.blocks.size()) * cache.block_size;
    CHECK(rows > 0 && slice.first_position >= 0 && slice.first_position + rows <= covered,
          "a slice reaches past its blocks");
    CHECK(std::ranges::all_of(slice.blocks, [&](BlockId id) { return id >= 0 && id < cache.blocks; }),
          "a block that the cache does not have");
    batch.tokens.insert(batch.tokens.end(), slice.tokens.begin(), slice.tokens.end());
    batch.layout.sequences.push_back({first_row, rows, slice.first_position, slice.blocks});
    if (!slice.samples) continue;
    batch.logit_rows.push_back(std::int32_t(first_row + rows - 1));
    batch.sampling.push_back({slice.sampling, slice.output_position});
    batch.sequences.push_back(slice.sequence);
  }
  batch.layout.tokens = std::int64_t(batch.tokens.size());
  return batch;
}

// [groups]: how many tokens each of them computes in this step.
std::vector<std::int64_t> tokens_of_groups(const StepPlan& plan, int groups) {
  std::vector<std::int64_t> tokens(std::size_t(groups), 0);
  for (const GroupPlan& part : plan.groups) {
    CHECK(part.group < GroupId(groups), "a plan for a group that the world does not have");
    for (const Slice& slice : part.slices)
      tokens[std::size_t(part.group)] += std::int64_t(slice.tokens.size());
  }
  return tokens;
}

}  // namespace

ModelExecutor::ModelExecutor(kernels::Ops& ops, model::Decoder& decoder,
                             const transport::Communicators& communicators, GroupId group,
                             model::KvCache cache, TickBoard* ticks)
    : ops_(ops),
      decoder_(decoder),
      communicators_(communicators),
      group_(group),
      ticks_(ticks),
      cache_(std::move(cache)) {}

StepResult ModelExecutor::execute(const StepPlan& plan) {
  const Doing stepping(ticks_, plan.epoch, plan.step);
  const TimePoint start = now();
  const std::vector<std::int64_t> group_tokens =
      tokens_of_groups(plan, communicators_.world.size() / communicators_.group.size());
  const auto part = std::ranges::find(plan.groups, group_, &GroupPlan::group);
  const Batch batch =
      batch_of(part == plan.groups.end() ? std::span<const Slice>{} : std::span(part->slices), cache_);

  // Without slices too: other groups' ranks wait in the collectives.
  const kernels::Tensor logits = decoder_.forward(
      queue_, communicators_, {batch.tokens, batch.layout, batch.logit_rows, group_tokens}, cache_);
  std::vector<SampledToken> sampled;
  if (!batch.sampling.empty()) ops_.sample(queue_, logits, batch.sampling, sampled);
  queue_.wait(TimePoint::max());

  StepResult result{plan.epoch, plan.step, group_, {}, {}};
  for (std::size_t i = 0; i < sampled.size(); ++i)
    result.outputs.push_back({batch.sequences[i], std::move(sampled[i])});
  result.times.compute_seconds = std::chrono::duration<double>(now() - start).count();
  return result;
}

}  // namespace troupe::runtime
