#include "transport/gloo/gloo.hpp"

#include <algorithm>
#include <bit>
#include <csignal>
#include <cstring>
#include <span>
#include <vector>

#include "runtime/base/error.hpp"
#include "transport/gloo/mesh.hpp"
#include "transport/tree_sum.hpp"

namespace troupe::transport {

using kernels::ExpertBatch;
using kernels::Queue;
using kernels::Routing;
using kernels::Tensor;

namespace {

// Up to here a sum costs less when every rank gets all partials at once than when it takes two rounds.
constexpr std::size_t whole_partials_bytes = 8 << 10;

void copy_bytes(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

// A row that travels to an expert: which, and which of the message's tokens.
struct Visit {
  std::int32_t expert = 0, token = 0;
};

// What a rank brings to another in a dispatch: visits, then tokens.
struct RowCounts {
  std::int64_t visits = 0, tokens = 0, row_bytes = 0;
  std::size_t bytes() const { return std::size_t(visits) * sizeof(Visit) + std::size_t(tokens * row_bytes); }
};

class GlooCommunicator final : public Communicator {
 public:
  explicit GlooCommunicator(std::unique_ptr<GlooMesh> mesh)
      : mesh_(std::move(mesh)),
        pieces_out_(ranks()),
        pieces_in_(ranks()),
        counts_out_(ranks()),
        counts_in_(ranks()),
        visits_(ranks()) {}

  int rank() const override { return mesh_->rank(); }
  int size() const override { return mesh_->size(); }
  void abort() noexcept override { mesh_->abort(); }

  void all_reduce(Queue&, Tensor x) override;
  void all_gather(Queue&, const Tensor& mine, Tensor all) override;
  void dispatch(Queue&, const Tensor& tokens, const Routing& routing, const ExpertPlacement& placement,
                ExpertBatch& out) override;
  void combine(Queue&, const Tensor& results, Tensor out) override;

 private:
  // Where dispatch took a row: the visit'th of those to a rank.
  struct Home {
    int rank = 0;
    std::int64_t visit = 0;
  };

  std::size_t ranks() const { return std::size_t(size()); }
  std::size_t self() const { return std::size_t(rank()); }
  void sum_whole(std::span<float> x);
  void sum_slices(std::span<float> x);
  void choose_visits(std::span<const std::int32_t> experts_of_slots, std::int64_t per_token,
                     const ExpertPlacement& placement);
  void exchange_counts();
  void exchange_rows(const Tensor& tokens);
  void take_rows(ExpertBatch& out) const;

  const std::unique_ptr<GlooMesh> mesh_;
  // By rank. What a rank has for itself takes the same way through memory, but not through the network.
  std::vector<Piece> pieces_out_, pieces_in_;
  std::vector<RowCounts> counts_out_, counts_in_;  // of the last dispatch
  std::vector<std::vector<Visit>> visits_;         // of the last dispatch; tokens of this rank
  std::vector<Home> homes_;                        // of this rank's rows in the last dispatch: [token, slot]
};

void GlooCommunicator::all_reduce(Queue&, Tensor x) {
  const std::span<float> values(x.as<float>(), std::size_t(x.elements()));
  mesh_->check_alive("all_reduce");
  if (size() == 1 || values.empty()) return;
  values.size_bytes() <= whole_partials_bytes ? sum_whole(values) : sum_slices(values);
}

void GlooCommunicator::sum_whole(std::span<float> x) {
  const std::size_t bytes = x.size_bytes();
  copy_bytes(mesh_->outgoing(bytes, "all_reduce"), x.data(), bytes);
  std::byte* const parts = mesh_->incoming(bytes * ranks(), "all_reduce");
  for (std::size_t r = 0; r < ranks(); ++r) {
    pieces_out_[r] = {0, bytes};
    pieces_in_[r] = {r * bytes, bytes};
  }
  mesh_->exchange("all_reduce", Message::whole_partials, pieces_out_, pieces_in_);
  copy_bytes(parts + self() * bytes, x.data(), bytes);
  tree_sum(reinterpret_cast<float*>(parts), ranks(), x.size(), x.size());
  copy_bytes(x.data(), parts, bytes);
}

// Every rank sums one slice of all ranks' partials, then all gather the slices.
void GlooCommunicator::sum_slices(std::span<float> x) {
  const auto begin_of = [&](std::size_t r) { return r * x.size() / ranks(); };
  const auto slice_of = [&](std::size_t r) {
    return Piece{begin_of(r) * sizeof(float), (begin_of(r + 1) - begin_of(r)) * sizeof(float)};
  };
  const Piece mine = slice_of(self());
  std::byte* const out = mesh_->outgoing(x.size_bytes(), "all_reduce");
  std::byte* const in = mesh_->incoming(std::max(mine.bytes * ranks(), x.size_bytes()), "all_reduce");
  copy_bytes(out, x.data(), x.size_bytes());
  for (std::size_t r = 0; r < ranks(); ++r) {
    pieces_out_[r] = slice_of(r);
    pieces_in_[r] = {r * mine.bytes, mine.bytes};
  }
  mesh_->exchange("all_reduce", Message::partial_slices, pieces_out_, pieces_in_);

  copy_bytes(in + self() * mine.bytes, out + mine.offset, mine.bytes);
  const std::size_t count = mine.bytes / sizeof(float);
  tree_sum(reinterpret_cast<float*>(in), ranks(), count, count);
  copy_bytes(out, in, mine.bytes);
  for (std::size_t r = 0; r < ranks(); ++r) {
    pieces_out_[r] = {0, mine.bytes};
    pieces_in_[r] = slice_of(r);
  }
  mesh_->exchange("all_reduce", Message::summed_slices, pieces_out_, pieces_in_);
  copy_bytes(in + mine.offset, out, mine.bytes);
  copy_bytes(x.data(), in, x.size_bytes());
}

void GlooCommunicator::all_gather(Queue&, const Tensor& mine, Tensor all) {
  CHECK(all.dtype() == mine.dtype() && all.elements() == size() * mine.elements(),
        "all_gather into another shape");
  mesh_->check_alive("all_gather");
  const std::size_t bytes = mine.bytes();
  auto* const to = static_cast<std::byte*>(all.raw());
  if (size() > 1 && bytes > 0) {
    copy_bytes(mesh_->outgoing(bytes, "all_gather"), mine.raw(), bytes);
    const std::byte* const in = mesh_->incoming(bytes * ranks(), "all_gather");
    for (std::size_t r = 0; r < ranks(); ++r) {
      pieces_out_[r] = {0, bytes};
      pieces_in_[r] = {r * bytes, bytes};
    }
    mesh_->exchange("all_gather", Message::all_gather, pieces_out_, pieces_in_);
    copy_bytes(to, in, self() * bytes);
    copy_bytes(to + (self() + 1) * bytes, in + (self() + 1) * bytes, (ranks() - self() - 1) * bytes);
  }
  copy_bytes(to + self() * bytes, mine.raw(), bytes);
}

void GlooCommunicator::dispatch(Queue&, const Tensor& tokens, const Routing& routing,
                                const ExpertPlacement& placement, ExpertBatch& out) {
  const std::int64_t per_token = routing.experts.shape(1);
  const std::span<const std::int32_t> wanted(routing.experts.as<std::int32_t>(),
                                             std::size_t(tokens.rows() * per_token));
  CHECK(tokens.dtype() == out.rows.dtype() && tokens.row_elements() == out.rows.row_elements(),
        "dispatch into another width");
  CHECK(std::ranges::all_of(wanted, [&](int e) { return e >= 0 && e < placement.experts(); }),
        "routed to no expert");
  choose_visits(wanted, per_token, placement);
  const auto row_bytes = tokens.row_elements() * std::int64_t(kernels::size_of(tokens.dtype()));
  for (RowCounts& counts : counts_out_) counts.row_bytes = row_bytes;
  exchange_counts();
  std::int64_t rows = 0;
  for (const RowCounts& counts : counts_in_) {
    if (counts.visits < 0 || counts.tokens < 0 || counts.tokens > counts.visits ||
        counts.row_bytes != row_bytes) {
      throw Error("rank " + std::to_string(&counts - counts_in_.data()) + " brings rows of another width",
                  "dispatch");
    }
    rows += counts.visits;
    if (rows > out.rows.rows() || rows > out.experts.rows())
      throw Error(
          "rank " + std::to_string(&counts - counts_in_.data()) + " brings more rows than there is room for",
          "dispatch");
  }
  exchange_rows(tokens);
  take_rows(out);
  *out.count.as<std::int32_t>() = std::int32_t(rows);
}

// A token that visits several experts of one rank travels there once.
void GlooCommunicator::choose_visits(std::span<const std::int32_t> experts_of_slots, std::int64_t per_token,
                                     const ExpertPlacement& placement) {
  homes_.clear();
  counts_out_.assign(ranks(), {});
  for (auto& visits : visits_) visits.clear();
  for (std::size_t slot = 0; slot < experts_of_slots.size(); ++slot) {
    const std::int32_t expert = experts_of_slots[slot];
    const auto token = std::int32_t(std::int64_t(slot) / per_token);
    const int owner = placement.owner(expert, rank(), token);
    auto& visits = visits_[std::size_t(owner)];
    RowCounts& counts = counts_out_[std::size_t(owner)];
    if (visits.empty() || visits.back().token != token) ++counts.tokens;
    homes_.push_back({owner, counts.visits++});
    visits.push_back({expert, token});
  }
}

void GlooCommunicator::exchange_counts() {
  std::byte* const out = mesh_->outgoing(sizeof(RowCounts) * ranks(), "dispatch");
  const std::byte* const in = mesh_->incoming(sizeof(RowCounts) * ranks(), "dispatch");
  copy_bytes(out, counts_out_.data(), sizeof(RowCounts) * ranks());
  for (std::size_t r = 0; r < ranks(); ++r) {
    pieces_out_[r] = pieces_in_[r] = {r * sizeof(RowCounts), sizeof(RowCounts)};
  }
  mesh_->exchange("dispatch", Message::row_counts, pieces_out_, pieces_in_);
  copy_bytes(counts_in_.data(), in, sizeof(RowCounts) * ranks());
  counts_in_[self()] = counts_out_[self()];
}

void GlooCommunicator::exchange_rows(const Tensor& tokens) {
  std::size_t bytes_out = 0, bytes_in = 0;
  for (std::size_t r = 0; r < ranks(); ++r) {
    pieces_out_[r] = {bytes_out, counts_out_[r].bytes()};
    pieces_in_[r] = {bytes_in, counts_in_[r].bytes()};
    bytes_out += pieces_out_[r].bytes;
    bytes_in += pieces_in_[r].bytes;
  }
  std::byte* const out = mesh_->outgoing(bytes_out, "dispatch");
  std::byte* const in = mesh_->incoming(bytes_in, "dispatch");
  const auto* const rows = static_cast<const std::byte*>(tokens.raw());
  for (std::size_t r = 0; r < ranks(); ++r) {
    const auto row_bytes = std::size_t(counts_out_[r].row_bytes);
    std::byte* visit_to = out + pieces_out_[r].offset;
    std::byte* row_to = visit_to + visits_[r].size() * sizeof(Visit);
    std::int32_t last_token = -1, place = -1;
    for (const Visit& visit : visits_[r]) {
      if (visit.token != last_token) {
        copy_bytes(row_to, rows + std::size_t(visit.token) * row_bytes, row_bytes);
        row_to += row_bytes;
        ++place;
      }
      last_token = visit.token;
      const Visit there{visit.expert, place};
      copy_bytes(visit_to, &there, sizeof there);
      visit_to += sizeof there;
    }
  }
  mesh_->exchange("dispatch", Message::rows, pieces_out_, pieces_in_);
  copy_bytes(in + pieces_in_[self()].offset, out + pieces_out_[self()].offset, pieces_out_[self()].bytes);
}

// By source rank, then token, then slot.
void GlooCommunicator::take_rows(ExpertBatch& out) const {
  auto* row_to = static_cast<std::byte*>(out.rows.raw());
  auto* expert_to = out.experts.as<std::int32_t>();
  const std::byte* const in = mesh_->received();
  for (std::size_t r = 0; r < ranks(); ++r) {
    const RowCounts& counts = counts_in_[r];
    const auto row_bytes = std::size_t(counts.row_bytes);
    const std::byte* const visits = in + pieces_in_[r].offset;
    const std::byte* const rows = visits + std::size_t(counts.visits) * sizeof(Visit);
    for (std::int64_t i = 0; i < counts.visits; ++i) {
      Visit visit;
      copy_bytes(&visit, visits + std::size_t(i) * sizeof visit, sizeof visit);
      if (visit.token < 0 || visit.token >= counts.tokens) {
        throw Error("rank " + std::to_string(r) + " names a token that it did not bring", "dispatch");
      }
      copy_bytes(row_to, rows + std::size_t(visit.token) * row_bytes, row_bytes);
      row_to += row_bytes;
      *expert_to++ = visit.expert;
    }
  }
}

void GlooCommunicator::combine(Queue&, const Tensor& results, Tensor out) {
  CHECK(out.rows() == std::int64_t(homes_.size()), "combine does not follow its dispatch");
  CHECK(results.dtype() == out.dtype() && results.row_elements() == out.row_elements(),
        "combine into another width");
  const std::size_t row_bytes = std::size_t(out.row_elements()) * kernels::size_of(out.dtype());
  std::size_t bytes_out = 0, bytes_in = 0;
  for (std::size_t r = 0; r < ranks(); ++r) {
    pieces_out_[r] = {bytes_out, std::size_t(counts_in_[r].visits) * row_bytes};
    pieces_in_[r] = {bytes_in, std::size_t(counts_out_[r].visits) * row_bytes};
    bytes_out += pieces_out_[r].bytes;
    bytes_in += pieces_in_[r].bytes;
  }
  CHECK(bytes_out <= results.bytes(), "fewer results than rows");
  std::byte* const sent = mesh_->outgoing(bytes_out, "combine");
  std::byte* const in = mesh_->incoming(bytes_in, "combine");
  copy_bytes(sent, results.raw(), bytes_out);
  mesh_->exchange("combine", Message::results, pieces_out_, pieces_in_);
  copy_bytes(in + pieces_in_[self()].offset, sent + pieces_out_[self()].offset, pieces_in_[self()].bytes);
  auto* to = static_cast<std::byte*>(out.raw());
  for (const Home& home : homes_) {
    copy_bytes(to, in + pieces_in_[std::size_t(home.rank)].offset + std::size_t(home.visit) * row_bytes,
               row_bytes);
    to += row_bytes;
  }
}

}  // namespace

std::unique_ptr<Communicator> connect_gloo(const GlooOptions& options, AddressStore& store,
                                           std::stop_token stop) {
  CHECK(options.size >= 1 && std::has_single_bit(unsigned(options.size)), "ranks must be a power of two");
  CHECK(options.rank >= 0 && options.rank < options.size, "no such rank");
  CHECK(options.secret.size() <= max_epoch_secret, "the epoch's secret is too long");
  std::signal(SIGPIPE, SIG_IGN);
  const TimePoint deadline = SteadyClock().now() + options.connect_timeout;
  auto mesh = std::make_unique<GlooMesh>(options.rank, options.size, options.timeout);
  if (options.size > 1) mesh->connect(meet(options, store, deadline, stop), deadline);
  return std::make_unique<GlooCommunicator>(std::move(mesh));
}

}  // namespace troupe::transport
