// What the kernels of exchange.cu are given: see kernel.hpp. They bring into order what ranks exchange; how it gets from
// one GPU to another is the business of transport/nccl. Rows are of words, whatever their type. Plain data, with pointers
// to the device's memory.
#pragma once

#include <cstdint>

namespace troupe::kernels::cuda {

constexpr int most_exchanging_ranks = 64;

// out[i] = the sum over all ranks r of parts[r][i], along the binary tree over ranks, neighbours first; as
// transport/tree_sum.hpp. A thread is an element.
struct TreeSum {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "tree_sum"; }

  const float* parts;  // [ranks, elements]
  int ranks;           // a power of two, up to most_exchanging_ranks
  std::int64_t elements;
  float* out;
};

// Which ranks hold each expert: transport::ExpertPlacement, on the device.
struct ExpertHolders {
  const std::int32_t* first;  // [experts + 1]: where the ranks of an expert begin
  const std::int32_t* ranks;  // of all experts
  int experts;
};

// What each rank tells all others in a dispatch: [most, slots] choices, -1 behind its own tokens; then [most, row_words]
// rows.
struct TokenMessage {
  std::int64_t most;  // tokens that a rank may bring
  int slots;
  std::int64_t row_words;

  constexpr std::int64_t choices() const { return most * slots; }
  constexpr std::int64_t words() const { return choices() + most * row_words; }
};

// A rank's own message; a block is a token.
struct PackTokens {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "pack_tokens"; }

  TokenMessage message;
  std::int64_t tokens;          // at most message.most
  const std::int32_t* choices;  // [tokens, slots]
  int experts;                  // of the model
  const std::uint32_t* rows;    // [tokens, row_words]
  std::uint32_t* out;
};

// Of all ranks' tokens those that visit this rank, in order of ranks, tokens and slots; one block.
struct ListArrivals {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "list_arrivals"; }

  TokenMessage message;
  const std::uint32_t* all;  // [ranks, message.words()]
  int ranks, rank;
  ExpertHolders holders;
  std::int32_t *visit_rows, *visit_experts, *counts;  // see ExpertBatch
  std::int32_t* row_token;                            // [ranks * most]: of each row, rank * most + token
  std::int32_t* visit_of;  // [ranks * most, slots]: of each token's slots; -1: it is not here
  // In the host's memory: 1 + a rank that chose what is no expert, which is taken for no choice. An exchange that was
  // ended in its middle leaves anything.
  std::int32_t* nonsense;
};

// The rows of the tokens that arrived; a block is a row.
struct TakeRows {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "take_rows"; }

  TokenMessage message;
  const std::uint32_t* all;
  const std::int32_t *row_token, *counts;
  std::uint32_t* rows;  // [ranks * most, row_words]
};

// Results on their way home, of slots [first_slot, first_slot + slots) of each token: [ranks * most, slots, row_words],
// of which only those for visits to this rank mean something. A block is a slot.
struct PackResults {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "pack_results"; }

  TokenMessage message;
  int first_slot, slots;
  const std::int32_t* visit_of;
  const std::uint32_t* results;  // [visits, row_words]
  std::uint32_t* out;
};

// And at home, whence each slot's result is taken from the rank that holds its expert. A block is a slot of a token.
struct TakeResults {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "take_results"; }

  TokenMessage message;
  int first_slot, slots;
  const std::int32_t* choices;  // [tokens, message.slots]: this rank's
  int rank;
  ExpertHolders holders;
  const std::uint32_t* arrived;  // [ranks, most, slots, row_words]
  std::uint32_t* out;            // [tokens, message.slots, row_words]
};

}  // namespace troupe::kernels::cuda
