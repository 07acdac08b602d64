#include "runtime/execution/drafter.hpp"

#include <algorithm>
#include <numeric>

#include "runtime/execution/prompt_lookup.hpp"

namespace troupe::runtime {
namespace {

using Part = SequenceTable::Part;

std::vector<std::int64_t> wide(const std::vector<std::int32_t>& counts) {
  return {counts.begin(), counts.end()};
}

// What follows each row of a part, by now. Behind a draft that was wrong anything will do: what is made of it is
// overwritten before it is read.
void append_next_tokens(const Part& part, std::int32_t first_position, std::vector<TokenId>& next) {
  const std::vector<TokenId>& tokens = part.entry->tokens;
  for (std::int32_t row = 0; row < part.rows(); ++row) {
    const auto following = std::size_t(first_position + row + 1);
    next.push_back(following < tokens.size() ? tokens[following] : 0);
  }
}

}  // namespace

Drafter::Drafter(kernels::Ops& ops, model::Decoder& decoder, const transport::Communicators& communicators,
                 Speculation speculation)
    : ops_(ops), decoder_(decoder), communicators_(communicators), speculation_(speculation) {
  CHECK(speculation.method != DraftMethod::mtp || decoder.can_predict(), "there is no prediction layer");
}

void Drafter::draft(kernels::Queue& queue, const StepPlan& plan, std::span<const Part> parts,
                    const kernels::StepLayout& layout, model::KvCache& cache) {
  if (speculation_.method == DraftMethod::mtp) {
    if (plan.predictions > 0) predict(queue, plan, parts, layout, cache);
    return;
  }
  if (speculation_.method == DraftMethod::none) return;
  for (const Part& part : parts)
    if (part.samples) part.entry->drafts = prompt_lookup(part.entry->tokens, speculation_.tokens);
}

// Over all rows of the step, so that the layer's cache has every position; then once for each further draft.
void Drafter::predict(kernels::Queue& queue, const StepPlan& plan, std::span<const Part> parts,
                      const kernels::StepLayout& layout, model::KvCache& cache) {
  std::vector<TokenId> next;
  std::vector<std::int32_t> last_rows;  // of those that sample: the last one that counts
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const kernels::SequenceLayout& place = layout.sequences[i];
    append_next_tokens(parts[i], std::int32_t(place.first_position), next);
    if (!parts[i].samples) continue;
    parts[i].entry->drafts.clear();
    last_rows.push_back(std::int32_t(place.first_row + parts[i].entry->computed - 1 - place.first_position));
  }
  std::vector<std::int32_t> rows(next.size());
  std::iota(rows.begin(), rows.end(), 0);
  const auto group_rows = wide(plan.group_rows);
  append(queue, decoder_.predict(queue, communicators_, {{next, layout, last_rows, group_rows}, rows}, cache),
         parts);
  predict_further(queue, plan, parts, std::move(last_rows), cache);
}

// rows: those of the last call's hidden states that the drafts so far go on from.
void Drafter::predict_further(kernels::Queue& queue, const StepPlan& plan, std::span<const Part> parts,
                              std::vector<std::int32_t> rows, model::KvCache& cache) {
  const auto group_rows = wide(plan.group_samples);
  if (std::ranges::max(group_rows) == 0) return;
  std::vector<std::int32_t> each(rows.size());
  std::iota(each.begin(), each.end(), 0);
  for (std::int32_t ahead = 1; ahead < plan.predictions; ++ahead) {
    std::vector<TokenId> tokens;
    kernels::StepLayout layout;
    for (const Part& part : parts) {
      if (!part.samples) continue;
      const SequenceTable::Entry& entry = *part.entry;
      // At a sequence's end, or where there was no room, there is no place for the entry: the draft is worth less then.
      const std::int64_t places =
          std::min(std::int64_t(entry.blocks.size()) * cache.block_size, decoder_.max_positions());
      const std::int64_t position = std::min<std::int64_t>(entry.computed - 1 + ahead, places - 1);
      layout.sequences.push_back({layout.tokens++, 1, position, entry.blocks});
      tokens.push_back(entry.drafts.back());
    }
    append(queue, decoder_.predict(queue, communicators_, {{tokens, layout, each, group_rows}, rows}, cache),
           parts);
    rows = each;
  }
}

void Drafter::append(kernels::Queue& queue, const kernels::Tensor& logits, std::span<const Part> parts) {
  const SamplingParams greedy{.temperature = 0};
  std::vector<kernels::SamplingRow> how(std::size_t(logits.rows()), {greedy, 0});
  std::vector<SampledToken> sampled;
  if (!how.empty()) ops_.sample(queue, logits, how, sampled);
  queue.wait(TimePoint::max());
  auto next = sampled.begin();
  for (const Part& part : parts)
    if (part.samples) part.entry->drafts.push_back(std::max((next++)->token, TokenId(0)));
}

}  // namespace troupe::runtime
