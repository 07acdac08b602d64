#include "runtime/execution/sequence_table.hpp"

#include <algorithm>
#include <string>

namespace troupe::runtime {
namespace {

constexpr std::size_t kept_results = 2;  // as many steps may be in flight

[[noreturn]] void refuse_plan(const std::string& what, SequenceId sequence) {
  throw PlanError(what, "sequence " + std::to_string(sequence));
}

void check_blocks(const std::vector<BlockId>& blocks, std::int32_t of, SequenceId sequence) {
  for (const BlockId block : blocks)
    if (block < 0 || block >= of) refuse_plan("a block that the cache does not have", sequence);
}

}  // namespace

const StepResult* SequenceTable::kept(const StepPlan& plan) const {
  const auto found = std::ranges::find_if(
      kept_, [&](const StepResult& each) { return each.epoch == plan.epoch && each.step == plan.step; });
  return found == kept_.end() ? nullptr : &*found;
}

std::vector<SequenceTable::Part> SequenceTable::take(const StepPlan& plan) {
  if (plan.after == 0) {
    entries_.clear();
    last_ = 0;
  }
  if (plan.after != last_)
    throw PlanError("step " + std::to_string(plan.step) + " follows step " + std::to_string(plan.after) +
                        ", and this rank was told of step " + std::to_string(last_),
                    "epoch " + std::to_string(plan.epoch));
  last_ = plan.step;
  for (const SequenceId sequence : plan.forget) entries_.erase(sequence);
  for (const Begin& each : plan.begin) {
    check_blocks(each.blocks, blocks_, each.sequence);
    entries_[each.sequence] = {each.tokens, each.prompt_tokens, each.computed, each.sampling, each.blocks};
  }
  std::vector<Part> parts;
  for (const Extend& each : plan.extend) parts.push_back(part_of(each));
  return parts;
}

SequenceTable::Part SequenceTable::part_of(const Extend& extend) {
  const auto found = entries_.find(extend.sequence);
  if (found == entries_.end()) refuse_plan("an unknown sequence", extend.sequence);
  Entry& entry = found->second;
  check_blocks(extend.blocks, blocks_, extend.sequence);
  entry.tokens.insert(entry.tokens.end(), extend.tokens.begin(), extend.tokens.end());
  entry.blocks.insert(entry.blocks.end(), extend.blocks.begin(), extend.blocks.end());
  const std::int64_t end = std::int64_t(entry.computed) + extend.rows;
  if (entry.computed < 0 || extend.rows < 1 || end > std::int64_t(entry.tokens.size()))
    refuse_plan("rows without tokens", extend.sequence);
  if (extend.samples && (end != std::int64_t(entry.tokens.size()) || end < entry.prompt_tokens))
    refuse_plan("a sample before the last token", extend.sequence);
  if (end > std::int64_t(entry.blocks.size()) * block_size_)
    refuse_plan("rows past its blocks", extend.sequence);
  return {extend.sequence, &entry, extend.rows, extend.samples};
}

const StepResult& SequenceTable::advance(std::span<const Part> parts, StepResult result) {
  auto output = result.outputs.begin();
  for (const Part& part : parts) {
    part.entry->computed += part.rows;
    if (!part.samples) continue;
    CHECK(output != result.outputs.end() && output->sequence == part.sequence, "a step's outputs do not fit");
    // Where there is no token, the sequence ends; the step that may be planned already needs any as its input.
    part.entry->tokens.push_back(std::max(output->sampled.token, TokenId(0)));
    ++output;
  }
  if (kept_.size() == kept_results) kept_.pop_front();
  return kept_.emplace_back(std::move(result));
}

}  // namespace troupe::runtime
