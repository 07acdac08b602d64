#include "transport/local/local.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "transport/local/epoch.hpp"
#include "transport/tree_sum.hpp"

namespace troupe::transport {

using kernels::ExpertBatch;
using kernels::Queue;
using kernels::Routing;
using kernels::Tensor;

namespace {

std::span<const std::byte> bytes_of(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.raw()), tensor.bytes()};
}

void copy(std::byte* to, std::span<const std::byte> from) {
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
}

// out = the sum of the ranks' floats along the tree.
void sum_ranks(std::span<const Contribution> ranks, std::span<float> out) {
  std::vector<float> sums(ranks.size() * tree_sum_block);
  for (std::size_t begin = 0; begin < out.size(); begin += tree_sum_block) {
    const std::size_t count = std::min(tree_sum_block, out.size() - begin);
    for (std::size_t r = 0; r < ranks.size(); ++r) {
      std::memcpy(&sums[r * tree_sum_block], ranks[r].data.data() + begin * sizeof(float),
                  count * sizeof(float));
    }
    tree_sum(sums.data(), ranks.size(), tree_sum_block, count);
    std::memcpy(&out[begin], sums.data(), count * sizeof(float));
  }
}

class LocalCommunicator final : public Communicator {
 public:
  LocalCommunicator(std::shared_ptr<LocalEpoch> epoch, int rank) : epoch_(std::move(epoch)), rank_(rank) {
    epoch_->join(rank);
  }

  int rank() const override { return rank_; }
  int size() const override { return epoch_->ranks(); }

  void all_reduce(Queue&, Tensor x) override {
    float* const sums = x.as<float>();
    const auto ranks = equal_contributions({.collective = "all_reduce", .data = bytes_of(x)});
    if (ranks.size() > 1) sum_ranks(ranks, {sums, std::size_t(x.elements())});
  }

  void all_gather(Queue&, const Tensor& mine, Tensor all) override {
    CHECK(all.dtype() == mine.dtype() && all.elements() == size() * mine.elements(),
          "all_gather into another shape");
    auto* to = static_cast<std::byte*>(all.raw());
    for (const Contribution& rank :
         equal_contributions({.collective = "all_gather", .data = bytes_of(mine)})) {
      copy(to, rank.data);
      to += rank.data.size();
    }
  }

  void dispatch(Queue&, const Tensor& tokens, const Routing& routing, const ExpertPlacement& placement,
                ExpertBatch& out) override;
  void combine(Queue&, const Tensor& results, Tensor out) override;
  void abort() noexcept override { epoch_->abort(); }

 private:
  // Where dispatch took a row: to the row'th of a rank.
  struct Home {
    int rank = 0;
    std::int64_t row = 0;
  };

  std::span<const Contribution> equal_contributions(const Contribution& mine) {
    const auto ranks = epoch_->exchange(rank_, mine);
    for (const Contribution& other : ranks) {
      if (other.data.size() == mine.data.size()) continue;
      throw Error("ranks bring tensors of different sizes", std::string(mine.collective));
    }
    return ranks;
  }

  const std::shared_ptr<LocalEpoch> epoch_;
  const int rank_;
  std::vector<Home> homes_;    // of this rank's rows in the last dispatch: [token, slot]
  std::int64_t received_ = 0;  // rows that the last dispatch brought here
};

void LocalCommunicator::dispatch(Queue&, const Tensor& tokens, const Routing& routing,
                                 const ExpertPlacement& placement, ExpertBatch& out) {
  const std::int64_t per_token = routing.experts.shape(1);
  const std::size_t row_bytes = std::size_t(out.rows.row_elements()) * kernels::size_of(out.rows.dtype());
  const std::span<const std::int32_t> wanted(routing.experts.as<std::int32_t>(),
                                             std::size_t(tokens.rows() * per_token));
  CHECK(tokens.dtype() == out.rows.dtype() && tokens.row_elements() == out.rows.row_elements(),
        "dispatch into another width");
  CHECK(std::ranges::all_of(wanted, [&](int e) { return e >= 0 && e < placement.experts(); }),
        "routed to no expert");

  homes_.clear();
  received_ = 0;
  std::vector<std::int64_t> rows_at(std::size_t(size()), 0);  // of each rank, so far
  int source = 0;
  for (const Contribution& from :
       epoch_->exchange(rank_, {"dispatch", bytes_of(tokens), wanted, per_token})) {
    if (from.data.size() * std::size_t(from.per_token) != from.experts.size() * row_bytes) {
      throw Error("rank " + std::to_string(source) + " brings rows of another width", "dispatch");
    }
    for (std::size_t row = 0; row < from.experts.size(); ++row) {
      const std::int32_t expert = from.experts[row];
      const std::size_t token = row / std::size_t(from.per_token);
      const int owner = placement.owner(expert, source, std::int64_t(token));
      const std::int64_t place = rows_at[std::size_t(owner)]++;
      if (source == rank_) homes_.push_back({owner, place});
      if (owner != rank_) continue;
      CHECK(place < out.rows.rows() && place < out.experts.rows(), "more rows than the batch's capacity");
      copy(static_cast<std::byte*>(out.rows.raw()) + std::size_t(place) * row_bytes,
           from.data.subspan(token * row_bytes, row_bytes));
      out.experts.as<std::int32_t>()[place] = expert;
      ++received_;
    }
    ++source;
  }
  *out.count.as<std::int32_t>() = std::int32_t(received_);
}

void LocalCommunicator::combine(Queue&, const Tensor& results, Tensor out) {
  CHECK(out.rows() == std::int64_t(homes_.size()), "combine does not follow its dispatch");
  CHECK(results.dtype() == out.dtype() && results.row_elements() == out.row_elements(),
        "combine into another width");
  const std::size_t row_bytes = std::size_t(out.row_elements()) * kernels::size_of(out.dtype());
  const auto ranks =
      epoch_->exchange(rank_, {.collective = "combine", .data = bytes_of(results.slice(0, received_))});
  auto* to = static_cast<std::byte*>(out.raw());
  for (const Home& home : homes_) {
    copy(to, ranks[std::size_t(home.rank)].data.subspan(std::size_t(home.row) * row_bytes, row_bytes));
    to += row_bytes;
  }
}

}  // namespace

LocalMesh::LocalMesh(int ranks, Duration timeout) {
  CHECK(ranks >= 1 && ranks <= max_local_ranks && std::has_single_bit(unsigned(ranks)),
        "ranks must be a power of two");
  epoch_ = std::make_shared<LocalEpoch>(ranks, timeout);
}

std::unique_ptr<Communicator> LocalMesh::communicator(int rank) const {
  return std::make_unique<LocalCommunicator>(epoch_, rank);
}

}  // namespace troupe::transport
