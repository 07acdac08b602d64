// Drives a decoder the way an executor does: sequences with block
// tables, several in a step, on one rank or on many as threads.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "kernels/cpu/cpu_ops.hpp"
#include "model/checkpoint/safetensors.hpp"
#include "model/decoder.hpp"
#include "tests/kernels/cuda/gpu_under_test.hpp"
#include "tests/transport/host/tcp_ranks.hpp"
#include "transport/host/device_communicator.hpp"
#include "transport/host/threads_mesh.hpp"

namespace troupe::model {

using Tokens = std::vector<TokenId>;
using Logits = std::vector<float>;  // rows of the vocabulary, one after the other

struct SessionOptions {
  int tensor_parallel = 1, data_parallel = 1;
  bool over_tcp = false;  // otherwise among threads
  bool expert_parallel = false;
  int virtual_shards = 16, expert_shards = 0;
  int threads = 1;
  bool gpu = false;  // on emulated GPUs, one a rank
  std::int64_t block_size = 16;
  bool shuffle_blocks = false;
  DecoderLimits limits{.max_tokens = 1024, .max_logit_rows = 1024, .max_positions = 512};
};

class Session {
 public:
  struct Part {
    std::size_t sequence;
    Tokens tokens;
  };
  // A sequence's rows of a run of the prediction layer, from a position on.
  struct Ahead {
    std::size_t sequence;
    std::int64_t position;
    Tokens next;  // the tokens that follow
    std::vector<std::int32_t> rows;
  };

  Session(Decoder& decoder, const transport::Communicators& communicators, const SessionOptions& options)
      : decoder_(decoder), communicators_(communicators), queue_(decoder.ops().make_queue()) {
    cache_ = decoder.make_cache(blocks_in_cache(options), options.block_size);
    cache_.poison();
    free_.resize(std::size_t(cache_.blocks));
    std::iota(free_.rbegin(), free_.rend(), 0);
    if (options.shuffle_blocks) std::shuffle(free_.begin(), free_.end(), std::mt19937(7));
  }

  // Runs the parts' tokens, the next ones of their sequences, in one step. Logits of all of them, in order.
  // group_tokens: as in StepInput.
  Logits step(const std::vector<Part>& parts, std::span<const std::int64_t> group_tokens = {}) {
    Tokens tokens;
    kernels::StepLayout layout;
    for (const Part& part : parts) {
      sequences_.resize(std::max(sequences_.size(), part.sequence + 1));
      Sequence& sequence = sequences_[part.sequence];
      const std::int64_t rows = std::int64_t(part.tokens.size());
      const std::int64_t end = sequence.length + rows;
      cover(sequence, end);
      layout.sequences.push_back({std::int64_t(tokens.size()), rows, sequence.length, {}});
      sequence.length = end;
      tokens.insert(tokens.end(), part.tokens.begin(), part.tokens.end());
    }
    for (std::size_t i = 0; i < parts.size(); ++i)
      layout.sequences[i].blocks = sequences_[parts[i].sequence].blocks;
    layout.tokens = std::int64_t(tokens.size());
    const std::vector<std::int32_t> rows = all_of(tokens);
    return values_of(decoder_.forward(*queue_, communicators_, {tokens, layout, rows, group_tokens}, cache_));
  }

  // Runs the prediction layer for the sequences' rows, from what the last call left. Logits as in step.
  Logits predict(const std::vector<Ahead>& parts, std::span<const std::int64_t> group_tokens = {}) {
    Tokens tokens;
    std::vector<std::int32_t> from;
    kernels::StepLayout layout;
    for (const Ahead& part : parts) {
      Sequence& sequence = sequences_[part.sequence];
      const std::int64_t rows = std::int64_t(part.next.size());
      cover(sequence, part.position + rows);
      layout.sequences.push_back({std::int64_t(tokens.size()), rows, part.position, sequence.blocks});
      tokens.insert(tokens.end(), part.next.begin(), part.next.end());
      from.insert(from.end(), part.rows.begin(), part.rows.end());
    }
    layout.tokens = std::int64_t(tokens.size());
    const std::vector<std::int32_t> rows = all_of(tokens);
    return values_of(
        decoder_.predict(*queue_, communicators_, {{tokens, layout, rows, group_tokens}, from}, cache_));
  }

  // The sequence's next step begins at this position, which it has passed.
  void rewind(std::size_t sequence, std::int64_t length) { sequences_[sequence].length = length; }

  // The hidden states that the last call left.
  Logits hidden() { return values_of(decoder_.hidden()); }

  // A text from its beginning, `chunk` tokens at a time.
  Logits text(std::size_t sequence, std::span<const TokenId> ids, std::size_t chunk) {
    Logits all;
    for (std::size_t first = 0; first < ids.size(); first += chunk) {
      const auto part = ids.subspan(first, std::min(chunk, ids.size() - first));
      const Logits logits = step({{sequence, Tokens(part.begin(), part.end())}});
      all.insert(all.end(), logits.begin(), logits.end());
    }
    return all;
  }

  int group() const { return communicators_.world.rank() / communicators_.group.size(); }
  Decoder& decoder() { return decoder_; }

 private:
  struct Sequence {
    std::int64_t length = 0;
    std::vector<BlockId> blocks;
  };
  void cover(Sequence& sequence, std::int64_t end) {
    while (std::int64_t(sequence.blocks.size()) * cache_.block_size < end) {
      sequence.blocks.push_back(free_.back());
      free_.pop_back();
    }
  }
  static std::vector<std::int32_t> all_of(const Tokens& tokens) {
    std::vector<std::int32_t> rows(tokens.size());
    std::iota(rows.begin(), rows.end(), 0);
    return rows;
  }
  Logits values_of(const kernels::Tensor& rows) {
    Logits values(std::size_t(rows.elements()));
    decoder_.ops().read(*queue_, rows, std::as_writable_bytes(std::span(values)));
    queue_->wait(TimePoint::max());
    return values;
  }
  static std::int64_t blocks_in_cache(const SessionOptions& options) {
    return 4096 / options.block_size + 32;
  }

  Decoder& decoder_;
  transport::Communicators communicators_;
  std::unique_ptr<kernels::Queue> queue_;
  KvCache cache_;
  std::vector<BlockId> free_;
  std::vector<Sequence> sequences_;
};

inline bool same_bytes(const Logits& a, const Logits& b) {
  return std::ranges::equal(std::as_bytes(std::span(a)), std::as_bytes(std::span(b)));
}

// Where the ranks of a test meet: all of them, and those of each group.
class MeetingPlaces {
 public:
  explicit MeetingPlaces(const SessionOptions& options) : over_tcp_(options.over_tcp) {
    for (int group = 0; group < options.data_parallel; ++group)
      groups_.push_back(std::make_unique<Place>(options.tensor_parallel));
    world_ = std::make_unique<Place>(options.tensor_parallel * options.data_parallel);
  }
  std::unique_ptr<transport::Communicator> world(int rank) { return join(*world_, rank); }
  std::unique_ptr<transport::Communicator> group(int group, int rank) {
    return join(*groups_[std::size_t(group)], rank);
  }

 private:
  struct Place {
    explicit Place(int size) : ranks(size), mesh(size) {}
    int ranks;
    transport::ThreadsMesh mesh;
    transport::MemoryStore store;
  };
  std::unique_ptr<transport::Communicator> join(Place& place, int rank) const {
    if (!over_tcp_) return place.mesh.communicator(rank);
    return transport::connect_tcp(transport::tcp_options(rank, place.ranks), place.store);
  }

  bool over_tcp_;
  std::unique_ptr<Place> world_;
  std::vector<std::unique_ptr<Place>> groups_;
};

// Loads the checkpoint on every rank and runs drive(session) there. The ranks of a group must return the same
// bytes, which are the group's result.
template <class Drive>
std::vector<Logits> on_groups(const Checkpoint& checkpoint, const SessionOptions& options, Drive drive) {
  const ShardingPlan all{.rank = 0,
                         .tensor_parallel = options.tensor_parallel,
                         .data_parallel = options.data_parallel,
                         .expert_parallel = options.expert_parallel,
                         .virtual_shards = options.virtual_shards,
                         .expert_shards = options.expert_shards};
  MeetingPlaces places(options);
  const kernels::cuda::GpuUnderTest machine({.devices = all.ranks()});
  std::vector<Logits> results(std::size_t(all.ranks()));
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < all.ranks(); ++rank)
      threads.emplace_back([&, rank] {
        ShardingPlan plan = all;
        plan.rank = rank;
        const auto ops = options.gpu ? kernels::cuda::GpuUnderTest::make_ops(rank)
                                     : kernels::make_cpu_ops(options.threads);
        const auto world = transport::device_communicator(places.world(rank), *ops),
                   group =
                       transport::device_communicator(places.group(plan.group(), plan.group_rank()), *ops);
        auto decoder = load_decoder(checkpoint, *ops, plan, options.limits);
        Session session(*decoder, {*group, *world}, options);
        results[std::size_t(rank)] = drive(session);
      });
  }
  std::vector<Logits> groups;
  for (std::size_t rank = 0; rank < results.size(); ++rank) {
    if (rank % std::size_t(options.tensor_parallel) == 0) groups.push_back(results[rank]);
    EXPECT_TRUE(same_bytes(groups.back(), results[rank])) << "ranks of a group differ";
  }
  return groups;
}

// The same for one group.
template <class Drive>
Logits on_ranks(const Checkpoint& checkpoint, const SessionOptions& options, Drive drive) {
  return on_groups(checkpoint, options, drive).front();
}

inline double worst_difference(std::span<const float> a, std::span<const float> b) {
  double worst = a.size() == b.size() ? 0 : 1e30;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = std::abs(double(a[i]) - double(b[i]));
    worst = std::max(worst, difference <= 1e30 ? difference : 1e30);  // NaN is as bad as can be
  }
  return worst;
}

// A reference implementation's logits for two texts.
struct Golden {
  std::int64_t batch = 0, length = 0;
  Tokens ids;
  Logits logits;

  std::span<const TokenId> text(std::int64_t i) const {
    return std::span(ids).subspan(std::size_t(i * length), std::size_t(length));
  }
};

inline Golden load_golden(const std::filesystem::path& folder) {
  const SafetensorsFile file = SafetensorsFile::open(folder / "golden.safetensors");
  const StoredTensor& ids = file.tensors().at("input_ids");
  const StoredTensor& logits = file.tensors().at("logits");
  Golden golden{ids.shape.at(0), ids.shape.at(1), {}, Logits(logits.bytes.size() / sizeof(float))};
  for (std::size_t i = 0; i < ids.bytes.size(); i += sizeof(std::int64_t)) {
    std::int64_t id;
    std::memcpy(&id, ids.bytes.data() + i, sizeof id);
    golden.ids.push_back(TokenId(id));
  }
  std::memcpy(golden.logits.data(), logits.bytes.data(), logits.bytes.size());
  return golden;
}

}  // namespace troupe::model
