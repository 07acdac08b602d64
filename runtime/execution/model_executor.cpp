#include "runtime/execution/model_executor.hpp"

#include <iterator>
#include <utility>

namespace troupe::runtime {
namespace {

// A step's parts in the form that kernels take. Refers to the block tables.
struct Batch {
  std::vector<TokenId> tokens;
  kernels::StepLayout layout;
  std::vector<std::int32_t> logit_rows;
  std::vector<kernels::SamplingRow> sampling;  // one a logit row
};

Batch batch_of(std::span<const SequenceTable::Part> parts) {
  Batch batch;
  for (const SequenceTable::Part& part : parts) {
    const auto first_row = std::int64_t(batch.tokens.size());
    batch.tokens.insert(batch.tokens.end(), part.inputs.begin(), part.inputs.end());
    batch.layout.sequences.push_back({first_row, part.rows(), part.entry->computed, part.entry->blocks});
    if (!part.samples) continue;
    for (std::int32_t row = part.samples_at(); row < part.rows(); ++row) {
      batch.logit_rows.push_back(std::int32_t(first_row + row));
      batch.sampling.push_back(
          {part.entry->sampling, part.output_position() + std::uint64_t(row - part.samples_at())});
    }
  }
  batch.layout.tokens = std::int64_t(batch.tokens.size());
  return batch;
}

// sampled: one a logit row.
std::vector<SequenceOutput> outputs_of(std::span<const SequenceTable::Part> parts,
                                       std::vector<SampledToken> sampled) {
  std::vector<SequenceOutput> outputs;
  auto next = std::make_move_iterator(sampled.begin());
  for (const SequenceTable::Part& part : parts) {
    if (!part.samples) continue;
    const auto first = std::exchange(next, next + part.drafts + 1);
    outputs.push_back({part.sequence, {first, next}});
  }
  return outputs;
}

}  // namespace

ModelExecutor::ModelExecutor(kernels::Ops& ops, model::Decoder& decoder,
                             const transport::Communicators& communicators, GroupId group,
                             model::KvCache cache, Speculation speculation, TickBoard* ticks)
    : ops_(ops),
      decoder_(decoder),
      communicators_(communicators),
      group_(group),
      ticks_(ticks),
      drafter_(ops, decoder, communicators, speculation),
      cache_(std::move(cache)),
      table_(std::int32_t(cache_.block_size), std::int32_t(cache_.blocks)) {}

void ModelExecutor::check_group(const StepPlan& plan) const {
  const auto groups = communicators_.world.size() / communicators_.group.size();
  std::int64_t rows = 0, samples = 0;
  for (const Extend& part : plan.extend) {
    rows += part.rows;
    samples += part.samples;
  }
  const bool fits = plan.group == group_ && std::ssize(plan.group_rows) == groups &&
                    std::ssize(plan.group_samples) == groups && plan.group_rows[group_] == rows &&
                    plan.group_samples[group_] == samples && plan.predictions >= 0;
  if (!fits)
    throw PlanError("a plan of another group, or of other rows than it says",
                    "group " + std::to_string(group_) + " of " + std::to_string(groups));
}

StepResult ModelExecutor::execute(const StepPlan& plan) {
  if (const StepResult* kept = table_.kept(plan)) return *kept;
  const Doing stepping(ticks_, plan.epoch, plan.step);
  const TimePoint start = now();
  check_group(plan);
  const std::vector<SequenceTable::Part> parts = table_.take(plan);
  const Batch batch = batch_of(parts);
  const std::vector<std::int64_t> group_tokens(plan.group_rows.begin(), plan.group_rows.end());

  // Without parts too: other groups' ranks wait in the collectives.
  const kernels::Tensor logits = decoder_.forward(
      queue_, communicators_, {batch.tokens, batch.layout, batch.logit_rows, group_tokens}, cache_);
  std::vector<SampledToken> sampled;
  if (!batch.sampling.empty()) ops_.sample(queue_, logits, batch.sampling, sampled);
  queue_.wait(TimePoint::max());

  StepResult& result =
      table_.advance(parts, {plan.epoch, plan.step, group_, outputs_of(parts, std::move(sampled)), {}});
  const TimePoint sampled_at = now();
  drafter_.draft(queue_, plan, parts, batch.layout, cache_);
  result.times = {std::chrono::duration<double>(sampled_at - start).count(),
                  std::chrono::duration<double>(now() - sampled_at).count()};
  return result;
}

}  // namespace troupe::runtime
