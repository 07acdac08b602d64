#include "runtime/lab/simulated_executor.hpp"

#include "runtime/base/error.hpp"

namespace troupe::runtime::lab {

StepResult SimulatedExecutor::execute(const StepPlan& plan) {
  for (SequenceId id : plan.forget) entries_.erase(id);
  for (const Begin& begin : plan.begin)
    entries_[begin.sequence] = {begin.prompt_tokens, begin.computed, begin.sampling.seed};
  load_ = StepLoad::of(plan);
  StepResult result{plan.epoch, plan.step, plan.group, {}, {}, {}};
  result.outputs.reserve(plan.extend.size());
  for (const Extend& part : plan.extend) {
    const auto found = entries_.find(part.sequence);
    CHECK(found != entries_.end(), "a part of a sequence that the ranks do not know");
    Entry& entry = found->second;
    load_.add(part, entry.computed);
    entry.computed += part.rows - part.drafts;
    if (!part.samples) continue;
    const std::int32_t position = entry.computed - entry.prompt_tokens;
    const std::int32_t right = accepted(entry, position, part.drafts);
    entry.computed += right;
    SequenceOutput& output = result.outputs.emplace_back();
    output.sequence = part.sequence;
    output.sampled.reserve(std::size_t(right) + 1);
    for (std::int32_t i = 0; i <= right; ++i)
      output.sampled.emplace_back(word_of(words_, entry.answer, std::uint64_t(position + i)));
  }
  result.times = cost_.step(load_);
  return result;
}

// Drawn for each position of an answer, so that what is right does not depend on the schedule.
std::int32_t SimulatedExecutor::accepted(const Entry& entry, std::int32_t position,
                                         std::int32_t drafts) const {
  std::int32_t right = 0;
  const auto draw = [&] {
    const std::uint64_t bits = mixed(~entry.answer ^ mixed(std::uint64_t(position + right)));
    return double(bits >> 11) * 0x1p-53;
  };
  while (right < drafts && draw() < acceptance_) ++right;
  return right;
}

}  // namespace troupe::runtime::lab
