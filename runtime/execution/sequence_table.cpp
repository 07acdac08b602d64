#include "runtime/execution/sequence_table.hpp"

#include <algorithm>
#include <string>
#include <utility>

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
    entries_[each.sequence] = entry_of(each);
  }
  std::vector<Part> parts;
  for (const Extend& each : plan.extend) parts.push_back(part_of(each));
  return parts;
}

SequenceTable::Entry SequenceTable::entry_of(const Begin& begin) const {
  Entry entry{begin.tokens, begin.prompt_tokens, begin.computed, begin.sampling, begin.blocks, {}, {},
              nullptr};
  if (begin.rules.none()) return entry;
  std::shared_ptr<const model::CompiledGrammar> grammar;
  if (begin.rules.grammar) {
    grammar = grammars_ ? grammars_(begin.rules.grammar) : nullptr;
    if (!grammar) refuse_plan("a grammar that this rank was not told of", begin.sequence);
  }
  entry.logits = std::make_unique<LogitState>(begin.rules, std::move(grammar), vocab_size_, ticks_);
  return entry;
}

SequenceTable::Part SequenceTable::part_of(const Extend& extend) {
  const auto found = entries_.find(extend.sequence);
  if (found == entries_.end()) refuse_plan("an unknown sequence", extend.sequence);
  Entry& entry = found->second;
  check_blocks(extend.blocks, blocks_, extend.sequence);
  entry.tokens.insert(entry.tokens.end(), extend.tokens.begin(), extend.tokens.end());
  entry.blocks.insert(entry.blocks.end(), extend.blocks.begin(), extend.blocks.end());
  const std::int64_t begin = entry.computed, end = begin + extend.rows, known = end - extend.drafts;
  if (begin < 0 || extend.drafts < 0 || known <= begin || known > std::int64_t(entry.tokens.size()))
    refuse_plan("rows without tokens", extend.sequence);
  const bool samples_last = known == std::int64_t(entry.tokens.size()) && known >= entry.prompt_tokens;
  if (extend.samples ? !samples_last : extend.drafts > 0)
    refuse_plan("a sample before the last token", extend.sequence);
  if (end > std::int64_t(entry.blocks.size()) * block_size_)
    refuse_plan("rows past its blocks", extend.sequence);
  Part part{extend.sequence,
            &entry,
            {entry.tokens.begin() + begin, entry.tokens.begin() + known},
            extend.drafts,
            extend.samples};
  // Other groups count on so many rows: where there is no guess, any token will do.
  std::vector<TokenId> drafts = std::exchange(entry.drafts, {});
  drafts.resize(std::size_t(extend.drafts), part.inputs.back());
  std::copy_n(entry.forced.begin(), std::min(entry.forced.size(), drafts.size()), drafts.begin());
  part.inputs.insert(part.inputs.end(), drafts.begin(), drafts.end());
  return part;
}

StepResult& SequenceTable::advance(std::span<const Part> parts, StepResult result) {
  auto output = result.outputs.begin();
  for (const Part& part : parts) {
    Entry& entry = *part.entry;
    entry.computed += part.rows() - part.drafts;
    if (!part.samples) continue;
    CHECK(output != result.outputs.end() && output->sequence == part.sequence &&
              std::ssize(output->sampled) == part.drafts + 1,
          "a step's outputs do not fit");
    std::span drafts = std::span(part.inputs).last(std::size_t(part.drafts));
    if (entry.logits) drafts = drafts.first(entry.logits->followed_drafts());
    std::size_t right = 0;
    while (right < drafts.size() && output->sampled[right].token == drafts[right]) ++right;
    output->sampled.resize(right + 1);
    entry.computed += std::int32_t(right);
    // Where there is no token, the sequence ends; the step that may be planned already needs any as its input.
    for (const SampledToken& each : output->sampled) entry.tokens.push_back(std::max(each.token, TokenId(0)));
    if (entry.logits) {
      entry.logits->catch_up(entry.tokens, entry.prompt_tokens);
      entry.forced = entry.logits->forced(most_forced_tokens);
      output->forced = std::int32_t(entry.forced.size());
    }
    ++output;
  }
  if (kept_.size() == kept_results) kept_.pop_front();
  return kept_.emplace_back(std::move(result));
}

}  // namespace troupe::runtime
