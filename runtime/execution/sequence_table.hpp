// What a rank knows of its group's sequences, so that a step need only tell what is new (runtime/scheduling/step.hpp).
// Made anew by the first step of an epoch. Owned by the rank's executor and used by its compute thread; the ranks of a
// group are told the same and compute the same, so that their tables are equal.
#pragma once

#include <deque>
#include <functional>
#include <span>
#include <unordered_map>

#include "runtime/base/error.hpp"
#include "runtime/execution/logit_state.hpp"
#include "runtime/scheduling/step.hpp"

namespace troupe::runtime {

// A plan that does not follow from what the rank was told before: a step or a sequence that it has not heard of. Nothing
// was computed. It heals by a new epoch, in which every sequence begins again.
class PlanError : public Error {
 public:
  using Error::Error;
};

// The grammars that a rank has been told of and has made ready: null for one that it has not. Called by its compute thread.
using GrammarSource = std::function<std::shared_ptr<const model::CompiledGrammar>(GrammarId)>;

class SequenceTable {
 public:
  struct Entry {
    std::vector<TokenId> tokens;  // what it was told and what it sampled
    std::int32_t prompt_tokens = 0;
    std::int32_t computed = 0;  // tokens in the cache
    SamplingParams sampling;
    std::vector<BlockId> blocks;
    std::vector<TokenId> drafts;  // guesses at the tokens that follow, made when the last one was sampled
    std::vector<TokenId> forced;  // what its grammar forces there, which is better than a guess
    std::unique_ptr<LogitState> logits;  // null: nothing changes its logits
  };
  // What a step computes of a sequence: rows from entry->computed on. Refers to the table, until the next take.
  struct Part {
    SequenceId sequence = 0;
    Entry* entry = nullptr;
    std::vector<TokenId> inputs;  // [rows], the last of which are drafts
    std::int32_t drafts = 0;
    bool samples = false;

    std::int32_t rows() const { return std::int32_t(inputs.size()); }
    std::int32_t samples_at() const { return rows() - drafts - 1; }  // first row whose logits are wanted
    // Of the first token that it samples.
    std::uint64_t output_position() const { return entry->tokens.size() - std::size_t(entry->prompt_tokens); }
  };

  // block_size: tokens. blocks: of the cache. vocab_size: logits of a row. ticks: see LogitState.
  SequenceTable(std::int32_t block_size, std::int32_t blocks, std::int64_t vocab_size = 0,
                GrammarSource grammars = {}, TickBoard* ticks = nullptr)
      : block_size_(block_size),
        blocks_(blocks),
        vocab_size_(vocab_size),
        grammars_(std::move(grammars)),
        ticks_(ticks) {}

  // Of a plan that has come before: its result; the last two are kept. Else null.
  const StepResult* kept(const StepPlan& plan) const;
  // Takes in what the plan tells. Throws PlanError, and is of no use any more in this epoch then.
  std::vector<Part> take(const StepPlan& plan);
  // The parts are computed; result: with an output for each that samples, in their order: what the logits of the last row
  // before its drafts and of each draft yield. Only that counts which follows from right drafts: the rest is taken away.
  // Each output says how much is forced behind it. Valid until the next advance.
  StepResult& advance(std::span<const Part> parts, StepResult result);

  std::size_t size() const { return entries_.size(); }

 private:
  Entry entry_of(const Begin& begin) const;
  Part part_of(const Extend& extend);

  std::int32_t block_size_, blocks_;
  std::int64_t vocab_size_;
  GrammarSource grammars_;
  TickBoard* ticks_;
  std::unordered_map<SequenceId, Entry> entries_;
  StepId last_ = 0;  // step taken in this epoch
  std::deque<StepResult> kept_;
};

}  // namespace troupe::runtime
