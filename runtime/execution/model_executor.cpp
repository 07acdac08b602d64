#include "runtime/execution/model_executor.hpp"

#include <algorithm>
#include <deque>
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
  std::deque<RowChanges> changes;              // that those refer to
  std::vector<std::size_t> without_mask;       // of those rows: whatever is sampled there means nothing
};

// What the rules of a sequence do to its rows, the last of the batch from `first` on.
void change_logits(const SequenceTable::Part& part, std::size_t first, Batch& batch) {
  SequenceTable::Entry& entry = *part.entry;
  if (!entry.logits) return;
  const std::span rows = std::span(batch.sampling).subspan(first);
  std::vector<RowChanges> changes(rows.size());
  entry.logits->catch_up(entry.tokens, entry.prompt_tokens);
  entry.logits->fill(changes.front());
  entry.logits->fill_drafts(std::span(part.inputs).last(std::size_t(part.drafts)),
                            std::span(changes).subspan(1));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (changes[i].spent) batch.without_mask.push_back(first + i);
    rows[i].changes =
        batch.changes.emplace_back(std::move(changes[i])).changes;  // moved vectors stay in place
  }
}

// Rows of a part whose next token stands in the prompt, if their log-probabilities are wanted: from the first on.
std::int32_t prompt_rows(const SequenceTable::Part& part) {
  const SequenceTable::Entry& entry = *part.entry;
  if (entry.sampling.prompt_logprobs < 0) return 0;
  return std::clamp(entry.prompt_tokens - 1 - entry.computed, 0, part.rows());
}

// The prompt's token behind a row is given, and nothing is drawn.
kernels::SamplingRow given_row(const SequenceTable::Part& part, std::int32_t row) {
  const SequenceTable::Entry& entry = *part.entry;
  SamplingParams params;
  params.logprobs = entry.sampling.prompt_logprobs;
  const TokenId next = row + 1 < part.rows() ? part.inputs[std::size_t(row) + 1]
                                             : entry.tokens[std::size_t(entry.computed + row) + 1];
  return {params, 0, {}, next};
}

Batch batch_of(std::span<const SequenceTable::Part> parts) {
  Batch batch;
  for (const SequenceTable::Part& part : parts) {
    const auto first_row = std::int64_t(batch.tokens.size());
    batch.tokens.insert(batch.tokens.end(), part.inputs.begin(), part.inputs.end());
    batch.layout.sequences.push_back({first_row, part.rows(), part.entry->computed, part.entry->blocks});
    const auto add = [&](std::int32_t row, kernels::SamplingRow how) {
      batch.logit_rows.push_back(std::int32_t(first_row + row));
      batch.sampling.push_back(how);
    };
    for (std::int32_t row = 0; row < prompt_rows(part); ++row) add(row, given_row(part, row));
    if (!part.samples) continue;
    const std::size_t first_sampled = batch.sampling.size();
    for (std::int32_t row = part.samples_at(); row < part.rows(); ++row)
      add(row, {part.entry->sampling, part.output_position() + std::uint64_t(row - part.samples_at())});
    change_logits(part, first_sampled, batch);
  }
  batch.layout.tokens = std::int64_t(batch.tokens.size());
  return batch;
}

// sampled: one a logit row. Fills outputs and prompts.
void take_sampled(std::span<const SequenceTable::Part> parts, std::vector<SampledToken> sampled,
                  StepResult& result) {
  auto next = std::make_move_iterator(sampled.begin());
  for (const SequenceTable::Part& part : parts) {
    if (const std::int32_t rows = prompt_rows(part); rows > 0) {
      const auto first = std::exchange(next, next + rows);
      result.prompts.push_back({part.sequence, {first, next}});
    }
    if (!part.samples) continue;
    const auto first = std::exchange(next, next + part.drafts + 1);
    result.outputs.push_back({part.sequence, {first, next}});
  }
}

}  // namespace

ModelExecutor::ModelExecutor(kernels::Ops& ops, model::Decoder& decoder,
                             const transport::Communicators& communicators, GroupId group,
                             model::KvCache cache, Speculation speculation, TickBoard* ticks,
                             GrammarSource grammars)
    : ops_(ops),
      decoder_(decoder),
      communicators_(communicators),
      group_(group),
      ticks_(ticks),
      queue_(ops.make_queue()),
      drafter_(ops, decoder, communicators, speculation),
      cache_(std::move(cache)),
      table_(std::int32_t(cache_.block_size), std::int32_t(cache_.blocks), decoder.vocab_size(),
             std::move(grammars), ticks) {
  queue_->watch([&world = communicators_.world] { world.check(); });
}

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
      *queue_, communicators_, {batch.tokens, batch.layout, batch.logit_rows, group_tokens}, cache_);
  std::vector<SampledToken> sampled;
  if (!batch.sampling.empty()) ops_.sample(*queue_, logits, batch.sampling, sampled);
  queue_->wait(TimePoint::max());
  for (const std::size_t row : batch.without_mask) sampled[row] = {.token = no_mask, .top = {}};

  StepResult computed{plan.epoch, plan.step, group_, {}, {}};
  take_sampled(parts, std::move(sampled), computed);
  StepResult& result = table_.advance(parts, std::move(computed));
  const TimePoint sampled_at = now();
  drafter_.draft(*queue_, plan, parts, batch.layout, cache_);
  result.times = {std::chrono::duration<double>(sampled_at - start).count(),
                  std::chrono::duration<double>(now() - sampled_at).count()};
  return result;
}

}  // namespace troupe::runtime
