// A language model made of a hash: the next token depends on every token before it, on the seed and on the
// output position, and is computed from what the KV cells hold. A wrong position, a stale block or a wrongly
// shared one therefore changes the output.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "runtime/execution/executor.hpp"
#include "runtime/execution/sequence_table.hpp"

namespace troupe::runtime::lab {

using Digest = std::uint64_t;

constexpr Digest toy_mix(Digest x) {  // the finaliser of splitmix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}
constexpr Digest toy_digest(Digest before, TokenId token) {
  return toy_mix(before + 0x9e3779b97f4a7c15u * Digest(token + 1));
}
constexpr std::uint64_t toy_breaking_seed = 0xdead;  // its logits are no numbers, sooner or later
constexpr TokenId toy_next(Digest history, const SamplingParams& how, std::uint64_t output_position) {
  if (how.seed == toy_breaking_seed && history % 8 == 0) return no_token;
  return TokenId(toy_mix(history ^ toy_mix(how.seed + output_position)) % 50);
}

// Of the token that follows, whatever it is.
constexpr float toy_logprob(Digest history) {
  return -float(history % 4096);
}

class ToyExecutor final : public Executor {
 public:
  // drafts: guesses for each step, many of them right. forces: now and then it says that tokens are forced.
  ToyExecutor(std::int32_t blocks, std::int32_t block_size, GroupId group = 0, std::int32_t drafts = 0,
              bool forces = false)
      : block_size_(block_size),
        group_(group),
        drafts_(drafts),
        forces_(forces),
        cells_(std::size_t(blocks) * std::size_t(block_size)),
        table_(block_size, blocks) {}

  StepResult execute(const StepPlan& plan) override {
    if (const StepResult* kept = table_.kept(plan)) return *kept;
    CHECK(plan.group == group_);
    StepResult result{plan.epoch, plan.step, group_, {}, {}};
    const auto parts = table_.take(plan);
    for (const SequenceTable::Part& part : parts) {
      const SequenceTable::Entry& entry = *part.entry;
      SequenceOutput output{part.sequence, {}};
      PromptLogprobs prompt{part.sequence, {}};
      Digest digest = entry.computed == 0 ? 0 : cell(entry.blocks, entry.computed - 1);
      for (std::int32_t row = 0; row < part.rows(); ++row) {
        digest = toy_digest(digest, part.inputs[std::size_t(row)]);
        cell(entry.blocks, entry.computed + row) = digest;
        const std::int32_t next = entry.computed + row + 1;
        if (entry.sampling.prompt_logprobs >= 0 && next < entry.prompt_tokens)
          prompt.tokens.push_back({entry.tokens.at(std::size_t(next)), toy_logprob(digest), {}});
        if (!part.samples || row < part.samples_at()) continue;
        const auto position = part.output_position() + std::uint64_t(row - part.samples_at());
        output.sampled.push_back({toy_next(digest, entry.sampling, position), 0, {}});
      }
      if (part.samples) result.outputs.push_back(std::move(output));
      if (!prompt.tokens.empty()) result.prompts.push_back(std::move(prompt));
    }
    StepResult& done = table_.advance(parts, std::move(result));
    auto output = done.outputs.begin();
    for (const SequenceTable::Part& part : parts)
      if (part.samples) (output++)->forced = guess(*part.entry);
    return done;
  }

  // What the KV storage holds for a position: the digest of every token up to it.
  Digest& cell(const std::vector<BlockId>& blocks, std::int32_t position) {
    const auto block = std::size_t(blocks.at(std::size_t(position / block_size_)));
    return cells_.at(block * std::size_t(block_size_) + std::size_t(position % block_size_));
  }
  // A step that breaks off leaves anything in the cells that it was to write. Nothing follows it in its epoch.
  void break_off(const StepPlan& plan) {
    for (const SequenceTable::Part& part : table_.take(plan))
      for (std::int32_t i = 0; i < part.rows(); ++i)
        cell(part.entry->blocks, part.entry->computed + i) = 0xbadc0de;
  }
  void poison() { std::ranges::fill(cells_, 0xdeadbeef); }

 private:
  // The tokens that come, but every now and then another one. Says how many of them are forced.
  std::int32_t guess(SequenceTable::Entry& entry) const {
    Digest digest = 0;
    for (TokenId token : entry.tokens) digest = toy_digest(digest, token);
    const auto forced =
        forces_ && digest % 2 == 0 ? std::int32_t(1 + digest / 2 % most_forced_tokens) : std::int32_t(0);
    std::vector<TokenId> guesses;
    for (std::uint64_t position = entry.tokens.size() - std::size_t(entry.prompt_tokens);
         std::ssize(guesses) < std::max(drafts_, forced); ++position) {
      const TokenId next = toy_next(digest, entry.sampling, position);
      digest = toy_digest(digest, next);
      guesses.push_back(digest % 4 == 0 ? next + 1 : next);
    }
    entry.forced.assign(guesses.begin(), guesses.begin() + forced);
    entry.drafts.assign(guesses.begin(), guesses.begin() + drafts_);
    return forced;
  }

  std::int32_t block_size_;
  GroupId group_;
  std::int32_t drafts_;
  bool forces_;
  std::vector<Digest> cells_;
  SequenceTable table_;
};

struct ToyOutput {
  std::vector<TokenId> tokens;
  FinishReason finish = FinishReason::none;
  bool operator==(const ToyOutput&) const = default;
};

// What a sequence gets when it has the engine for itself.
inline ToyOutput toy_output(const Submission& submission, std::int32_t max_model_len) {
  ToyOutput output;
  Digest digest = 0;
  auto length = std::int32_t(submission.tokens.size());
  for (TokenId token : submission.tokens) digest = toy_digest(digest, token);
  while (output.finish == FinishReason::none) {
    const TokenId token = toy_next(digest, submission.sampling, output.tokens.size());
    output.tokens.push_back(token);
    digest = toy_digest(digest, token);
    ++length;
    if (token == no_token)
      output.finish = FinishReason::error;
    else if (std::ranges::count(submission.stop_ids, token))
      output.finish = FinishReason::stop;
    else if (std::int32_t(output.tokens.size()) == submission.max_output_tokens || length == max_model_len)
      output.finish = FinishReason::length;
  }
  return output;
}

}  // namespace troupe::runtime::lab
