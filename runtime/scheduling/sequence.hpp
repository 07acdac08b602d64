// What a scheduler knows of one sequence. Owned by its group's scheduler.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "runtime/scheduling/draft_length.hpp"
#include "runtime/scheduling/policies/policy.hpp"
#include "runtime/scheduling/prefix_hash.hpp"
#include "runtime/scheduling/step.hpp"

namespace troupe::runtime {

struct Sequence {
  Submission submission;        // its tokens grow with each output
  std::int32_t computed = 0;    // tokens in the cache, by steps that have committed
  std::int32_t planned = 0;     // behind those, by steps in flight, if all their drafts are right
  std::int32_t sampling = 0;    // steps in flight that sample for it
  std::int32_t drafts = 0;      // in those steps
  Acceptance acceptance;        // of its drafts
  bool prediction_gap = false;  // the prediction layer was left out for some of its tokens in the cache
  std::int32_t found = -1;  // of the prompt, in the prefix cache when it first got blocks; -1: it did not yet
  TimePoint seated{};       // when that was
  bool running = false;     // holds blocks
  bool paused = false;      // by its owner
  bool held = false;        // the ranks are not ready for it
  bool withheld = false;    // others are looked at, one of which may kill workers
  std::int32_t suspect_row = 0;  // no step has rows from here on and others before; 0: it is no suspect
  std::uint64_t seating = 0;  // how often it has lost its blocks: what was computed into those counts no more
  // Of its prompt, as far as they are in, all of one seating; told with the first output.
  std::vector<SampledToken> prompt_logprobs;
  std::uint64_t logprobs_seating = 0;
  // What the ranks of its group know of it; nothing unless begun.
  bool begun = false;
  std::int32_t known_tokens = 0, known_blocks = 0;
  std::int32_t replay_end = 0;    // output tokens before this position were produced once already
  std::vector<BlockHash> hashes;  // of full blocks from the start, as far as they were needed
  std::size_t known_prefix =
      0;  // of those, while it waits: that the cache seemed to hold when they were looked up last
  std::uint64_t ranked_in = 0;  // the last proposal that named it

  std::int32_t forced_length = 0;  // up to its grammar's next choice, as far as that is known
  std::int32_t forced_drafts = 0;  // of what was wanted for it last
  // Of such drafts, wherever they stand: a model may write the same text in other tokens.
  Acceptance forced_acceptance{1, 0.005, 1};

  std::int32_t length() const { return std::int32_t(submission.tokens.size()); }
  std::int32_t outputs() const { return length() - submission.prompt_tokens; }
  // When all that is in flight has committed, if that does not end it: at most, with all drafts right.
  std::int32_t coming_length() const { return length() + sampling + drafts; }
  std::int32_t coming_computed() const { return computed + planned; }
  std::int32_t pending() const { return coming_length() - coming_computed(); }
  // At least.
  std::int32_t coming_outputs() const { return outputs() + sampling; }
  bool decoding() const { return pending() == 1 && coming_outputs() > 0; }

  bool may_run() const { return !paused && !held && !withheld; }
  bool deferred() const { return !running && !may_run(); }
  // Whether its prompt's log-probabilities are still to be told.
  bool wants_prompt_logprobs() const { return submission.sampling.prompt_logprobs >= 0 && outputs() == 0; }

  // Whether a step may be planned for it. Not if what is in flight ends it for certain, or may reach its greatest length,
  // or if it lost its blocks and one of its tokens is still to come: that is to be computed again, too.
  bool plannable(std::int32_t max_model_len) const {
    if (sampling == 0) return true;
    return running && coming_outputs() < submission.max_output_tokens && coming_length() < max_model_len;
  }

  // How many rows its next step may have, because of where it ends.
  std::int32_t rows_before_suspect_row() const {
    const std::int32_t rows = suspect_row - coming_computed();
    return rows > 0 ? rows : pending();
  }

  // How many drafts its next step may verify at most.
  std::int32_t draft_room(std::int32_t max_model_len) const {
    return std::max(
        0, std::min(submission.max_output_tokens - coming_outputs() - 1, max_model_len - coming_length()));
  }

  // How many of those its grammar forces, as far as they are likely to come in those tokens.
  std::int32_t forced_room(std::int32_t max_model_len) const {
    const std::int32_t forced = std::min(forced_length - coming_length(), draft_room(max_model_len));
    return forced <= 0 ? 0 : std::min(forced, forced_acceptance.worthy_length(most_forced_tokens));
  }

  SequenceView view() const {
    return {submission.sequence,
            pending(),
            pending() == 1 && coming_outputs() > 0,
            running,
            submission.priority,
            submission.arrival,
            coming_outputs() > 0,
            submission.caller,
            submission.arrived,
            submission.slo,
            submission.prompt_tokens,
            submission.max_output_tokens,
            coming_computed(),
            coming_outputs(),
            submission.predicted_output};
  }

  // Its tokens stay, to be computed again. A token that is to come brings along what the prompt's log-probabilities lack.
  void lose_blocks() {
    replay_end = std::max(replay_end, computed);
    computed = planned = 0;
    prediction_gap = false;
    running = false;
    ++seating;
    if (sampling == 0) begin_prompt_logprobs();
    unknown_to_ranks();
  }

  // They come from the next seating on, if they are not told by then.
  void begin_prompt_logprobs() {
    prompt_logprobs.clear();
    logprobs_seating = seating;
  }

  void unknown_to_ranks() {
    begun = false;
    known_tokens = known_blocks = 0;
  }

  // Nothing of it is in flight any more, and the ranks have forgotten it.
  void void_steps() {
    planned = sampling = drafts = 0;
    if (!running) begin_prompt_logprobs();
    unknown_to_ranks();
  }

  // Hashes of the first `blocks` blocks, which its tokens fill.
  std::span<const BlockHash> hashes_of(std::int32_t blocks, std::int32_t block_size) {
    if (blocks > 0 && hashes.empty())
      hashes.push_back(hash_after(prefix_root(submission.cache_salt), block_size));
    while (std::int32_t(hashes.size()) < blocks) hashes.push_back(hash_after(hashes.back(), block_size));
    return std::span(hashes).first(std::size_t(blocks));
  }

  // The output that a step sampled; says whether it was the last.
  FinishReason append(TokenId token, std::int32_t max_model_len) {
    if (token == no_token || token == no_mask) return FinishReason::error;
    submission.tokens.push_back(token);
    if (std::ranges::count(submission.stop_ids, token)) return FinishReason::stop;
    const bool full = outputs() == submission.max_output_tokens || length() == max_model_len;
    return full ? FinishReason::length : FinishReason::none;
  }

 private:
  BlockHash hash_after(const BlockHash& parent, std::int32_t block_size) const {
    const auto block = std::span(submission.tokens).subspan(hashes.size() * std::size_t(block_size));
    return prefix_hash(parent, ArithmeticClass::decode, block.first(std::size_t(block_size)));
  }
};

}  // namespace troupe::runtime
