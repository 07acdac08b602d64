#include "runtime/scheduling/recording/text_removal.hpp"

#include <algorithm>
#include <charconv>

#include "runtime/base/digest.hpp"
#include "runtime/base/random_id.hpp"
#include "runtime/scheduling/prefix_hash.hpp"

namespace troupe::runtime {

RecordedStep without_text(const StepPlanned& step) {
  RecordedStep recorded;
  for (const StepPlan& plan : step.plans) {
    RecordedPlan& part = recorded.plans.emplace_back(
        RecordedPlan{plan.epoch, plan.step, plan.after, plan.group, plan.predictions, plan.forget, {}, {}});
    for (const Begin& each : plan.begin)
      part.begin.push_back(
          {each.sequence, std::int32_t(each.tokens.size()), each.prompt_tokens, each.computed, each.blocks});
    for (const Extend& each : plan.extend)
      part.extend.push_back({each.sequence, std::int32_t(each.tokens.size()), each.rows, each.drafts,
                             each.samples, each.blocks});
  }
  return recorded;
}

TextRemoval::TextRemoval() : key_(random_id()) {}

RecordedEvent TextRemoval::operator()(const CycleEvent& event, TimePoint now) {
  if (!begin_) begin_ = now;
  last_ = since_begin(now);
  return {last_,
          std::visit([this](const auto& each) -> RecordedEvent::What { return without(each); }, event)};
}

std::int64_t TextRemoval::since_begin(TimePoint time) const {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time - *begin_).count();
}

CycleBegan TextRemoval::without(const CycleBegan& event) {
  block_size_ = event.limits.prefix_caching ? std::size_t(event.limits.block_size) : 0;
  texts_.clear();
  began_ = event;
  return event;
}

PolicyChanged TextRemoval::without(const PolicyChanged& event) {
  if (began_) began_->policy = event.policy;
  return event;
}

BlocksReplied TextRemoval::without(const BlocksReplied& event) {
  replied_ = event;
  return event;
}

std::string TextRemoval::context() const {
  std::string bytes;
  PackedWriter writer(bytes);
  if (began_) writer(RecordedEvent{last_, *began_});
  if (replied_) writer(RecordedEvent{last_, *replied_});
  return bytes;
}

RecordedSubmission TextRemoval::without(const SequenceSubmitted& event) {
  const Submission& submission = event.submission;
  const bool timed = submission.arrived != TimePoint{};
  RecordedSubmission recorded{.sequence = submission.sequence,
                              .tokens = std::int32_t(submission.tokens.size()),
                              .prompt_tokens = submission.prompt_tokens,
                              .max_output_tokens = submission.max_output_tokens,
                              .priority = submission.priority,
                              .arrival = submission.arrival,
                              .caller = submission.caller,
                              .arrived = timed ? since_begin(submission.arrived) : 0,
                              .timed = timed,
                              .slo = submission.slo,
                              .predicted_output = submission.predicted_output,
                              .urgent = submission.start_by != TimePoint{},
                              .resubmitted = submission.resubmitted,
                              .held = event.held,
                              .accepted = event.accepted,
                              .wants_prompt_logprobs = submission.sampling.prompt_logprobs >= 0};
  Text text{submission.tokens, submission.stop_ids, prefix_root(submission.cache_salt)};
  if (block_size_ > 0)
    for (std::size_t i = 0; i < text.tokens.size() / block_size_; ++i)
      recorded.blocks.push_back(name_next(text, i));
  if (event.accepted) texts_.insert_or_assign(submission.sequence, std::move(text));
  return recorded;
}

SequenceTold TextRemoval::without(const SequenceTold& event) {
  if (event.news == SequenceNews::cancel || event.news == SequenceNews::late) texts_.erase(event.sequence);
  return event;
}

RecordedResult TextRemoval::without(const ResultCame& event) {
  RecordedResult recorded{
      event.result.epoch, event.result.step, event.result.group, event.result.times, {}, {}};
  for (const SequenceOutput& output : event.result.outputs) recorded.outputs.push_back(shape_of(output));
  for (const CommittedToken& token : event.committed) {
    const auto found = texts_.find(token.sequence);
    if (found == texts_.end()) continue;
    if (token.finish != FinishReason::none) {
      texts_.erase(found);
      continue;
    }
    Text& text = found->second;
    text.tokens.push_back(token.sampled.token);
    if (block_size_ == 0 || text.tokens.size() % block_size_ != 0) continue;
    const std::size_t index = text.tokens.size() / block_size_ - 1;
    recorded.named.push_back({token.sequence, std::int32_t(index), name_next(text, index)});
  }
  return recorded;
}

RecordedOutput TextRemoval::shape_of(const SequenceOutput& output) const {
  RecordedOutput recorded{output.sequence, std::int32_t(output.sampled.size()), output.forced};
  const auto found = texts_.find(output.sequence);
  if (found == texts_.end()) return recorded;
  for (const SampledToken& each : output.sampled) {
    if (each.token == no_token || each.token == no_mask)
      recorded.end = RecordedEnd::error;
    else if (std::ranges::count(found->second.stop_ids, each.token))
      recorded.end = RecordedEnd::stop;
    if (recorded.end != RecordedEnd::none) return recorded;
    ++recorded.before_end;
  }
  recorded.before_end = 0;
  return recorded;
}

BlockName TextRemoval::name_next(Text& text, std::size_t index) {
  const auto block = std::span(text.tokens).subspan(index * block_size_, block_size_);
  text.last = prefix_hash(text.last, ArithmeticClass::decode, block);
  const std::string digits = digest(key_ + std::string(text.last.begin(), text.last.end()));
  BlockName name = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), name, 16);
  return std::max(name, BlockName(1));
}

}  // namespace troupe::runtime
