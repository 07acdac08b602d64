#include "transport/host/communicator.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "runtime/base/error.hpp"
#include "transport/tree_sum.hpp"

namespace troupe::transport {

using kernels::ExpertBatch;
using kernels::Queue;
using kernels::Routing;
using kernels::Tensor;

namespace {

Bytes bytes_of(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.raw()), tensor.bytes()};
}

void copy_bytes(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

// Memory that grows and loses what it held when it does.
class Buffer {
 public:
  std::byte* room(std::size_t bytes) {
    if (bytes > bytes_) {
      bytes_ = std::max(bytes, 2 * bytes_);
      memory_ = std::make_unique_for_overwrite<std::byte[]>(bytes_);
    }
    return memory_.get();
  }
  float* floats(std::size_t count) { return reinterpret_cast<float*>(room(count * sizeof(float))); }

 private:
  std::unique_ptr<std::byte[]> memory_;
  std::size_t bytes_ = 0;
};

// Of a token to an expert: which, and which of the message's tokens.
struct Visit {
  std::int32_t expert = 0, token = 0;
};

// What a rank brings to another in a dispatch: this, then visits, then tokens.
struct RowCounts {
  std::int64_t visits = 0, tokens = 0, row_bytes = 0;

  std::size_t bytes() const {
    return sizeof(RowCounts) + std::size_t(visits) * sizeof(Visit) + std::size_t(tokens * row_bytes);
  }
  bool possible() const { return visits >= 0 && tokens >= 0 && tokens <= visits; }
};

class HostCommunicator final : public Communicator {
 public:
  explicit HostCommunicator(std::unique_ptr<Mesh> mesh)
      : mesh_(std::move(mesh)),
        out_(ranks()),
        letters_(ranks()),
        received_(ranks()),
        counts_out_(ranks()),
        counts_in_(ranks()),
        visits_(ranks()) {}

  int rank() const override { return mesh_->rank(); }
  int size() const override { return mesh_->size(); }
  void check() override { mesh_->check_alive(); }
  void abort() noexcept override { mesh_->abort(); }

  void all_reduce(Queue&, Tensor x) override;
  void all_gather(Queue&, const Tensor& mine, Tensor all) override;
  void dispatch(Queue&, const Tensor& tokens, const Routing& routing, const ExpertPlacement& placement,
                ExpertBatch& out) override;
  void combine(Queue&, const Tensor& results, Tensor out) override;

 private:
  // Where dispatch took a visit: the visit'th of those to a rank.
  struct Home {
    int rank = 0;
    std::int64_t visit = 0;
  };

  std::size_t ranks() const { return std::size_t(size()); }
  std::size_t self() const { return std::size_t(rank()); }
  // The room of a message whose size is known.
  std::byte* exactly(int from, std::size_t bytes, std::size_t expected, std::byte* memory) {
    if (bytes != expected) mesh_->fail("rank " + std::to_string(from) + " brings a tensor of another size");
    return memory;
  }
  void sum_whole(std::span<float> x);
  void sum_slices(std::span<float> x);
  void choose_visits(std::span<const std::int32_t> experts_of_slots, std::int64_t per_token,
                     const ExpertPlacement& placement);
  void write_letters(const Tensor& tokens);
  std::byte* write_letter(std::size_t to, const Tensor& tokens, std::byte* letter) const;
  void read_counts(const RowCounts& capacity);
  void take_rows(const ExpertPlacement& placement, ExpertBatch& out);

  const std::unique_ptr<Mesh> mesh_;
  Buffer partials_, outgoing_;
  // By rank:
  std::vector<Bytes> out_, letters_;  // letters_: what came in the dispatch that runs, this rank's own too
  std::vector<Buffer> received_;
  std::vector<RowCounts> counts_out_, counts_in_;  // of the last dispatch
  std::vector<std::vector<Visit>> visits_;         // of the last dispatch; tokens of this rank
  std::vector<Home> homes_;  // of this rank's visits in the last dispatch: [token, slot]
};

void HostCommunicator::all_reduce(Queue&, Tensor x) {
  const std::span<float> values(x.as<float>(), std::size_t(x.elements()));
  mesh_->check_alive(Message::whole_partials);
  if (size() == 1 || values.empty()) return;
  values.size_bytes() <= mesh_->cheap_bytes() ? sum_whole(values) : sum_slices(values);
}

void HostCommunicator::sum_whole(std::span<float> x) {
  float* const parts = partials_.floats(x.size() * ranks());
  const auto part_of = [&](std::size_t r) { return reinterpret_cast<std::byte*>(parts + r * x.size()); };
  std::ranges::fill(out_, std::as_bytes(x));
  mesh_->exchange(Message::whole_partials, out_, [&](int from, std::size_t bytes) {
    return exactly(from, bytes, x.size_bytes(), part_of(std::size_t(from)));
  });
  copy_bytes(part_of(self()), x.data(), x.size_bytes());
  tree_sum(parts, ranks(), x.size(), x.size());
  copy_bytes(x.data(), parts, x.size_bytes());
}

// Every rank sums one slice of all ranks' partials, then all gather the slices.
void HostCommunicator::sum_slices(std::span<float> x) {
  const auto slice_of = [&](std::size_t r) {
    const std::size_t begin = r * x.size() / ranks(), end = (r + 1) * x.size() / ranks();
    return x.subspan(begin, end - begin);
  };
  const std::span<float> mine = slice_of(self());
  float* const parts = partials_.floats(mine.size() * ranks());
  const auto part_of = [&](std::size_t r) { return reinterpret_cast<std::byte*>(parts + r * mine.size()); };
  for (std::size_t r = 0; r < ranks(); ++r) out_[r] = std::as_bytes(slice_of(r));
  mesh_->exchange(Message::partial_slices, out_, [&](int from, std::size_t bytes) {
    return exactly(from, bytes, mine.size_bytes(), part_of(std::size_t(from)));
  });
  copy_bytes(part_of(self()), mine.data(), mine.size_bytes());
  tree_sum(parts, ranks(), mine.size(), mine.size());
  copy_bytes(mine.data(), parts, mine.size_bytes());

  std::ranges::fill(out_, std::as_bytes(mine));
  mesh_->exchange(Message::summed_slices, out_, [&](int from, std::size_t bytes) {
    const auto slice = std::as_writable_bytes(slice_of(std::size_t(from)));
    return exactly(from, bytes, slice.size(), slice.data());
  });
}

void HostCommunicator::all_gather(Queue&, const Tensor& mine, Tensor all) {
  CHECK(all.dtype() == mine.dtype() && all.elements() == size() * mine.elements(),
        "all_gather into another shape");
  mesh_->check_alive(Message::all_gather);
  auto* const to = static_cast<std::byte*>(all.raw());
  const std::size_t bytes = mine.bytes();
  if (size() > 1 && bytes > 0) {
    std::ranges::fill(out_, bytes_of(mine));
    mesh_->exchange(Message::all_gather, out_, [&](int from, std::size_t theirs) {
      return exactly(from, theirs, bytes, to + std::size_t(from) * bytes);
    });
  }
  copy_bytes(to + self() * bytes, mine.raw(), bytes);
}

void HostCommunicator::dispatch(Queue&, const Tensor& tokens, const Routing& routing,
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
  const RowCounts capacity{std::min(out.visit_rows.rows(), out.visit_experts.rows()), out.rows.rows(),
                           row_bytes};
  CHECK(counts_out_[self()].tokens <= capacity.tokens, "more rows than the batch's capacity");
  CHECK(counts_out_[self()].visits <= capacity.visits, "more visits than the batch's capacity");
  for (RowCounts& counts : counts_out_) counts.row_bytes = row_bytes;
  write_letters(tokens);
  const std::size_t most = capacity.bytes();
  mesh_->exchange(Message::dispatch, out_, [&](int from, std::size_t bytes) {
    if (bytes < sizeof(RowCounts) || bytes > most)
      mesh_->fail("rank " + std::to_string(from) + " brings more rows than there is room for");
    std::byte* const room = received_[std::size_t(from)].room(bytes);
    letters_[std::size_t(from)] = {room, bytes};
    return room;
  });
  letters_[self()] = out_[self()];
  read_counts(capacity);
  take_rows(placement, out);
}

// A token that visits several experts of one rank travels there once.
void HostCommunicator::choose_visits(std::span<const std::int32_t> experts_of_slots, std::int64_t per_token,
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

void HostCommunicator::write_letters(const Tensor& tokens) {
  std::size_t bytes = 0;
  for (const RowCounts& counts : counts_out_) bytes += counts.bytes();
  std::byte* letter = outgoing_.room(bytes);
  for (std::size_t r = 0; r < ranks(); ++r) {
    std::byte* const end = write_letter(r, tokens, letter);
    out_[r] = {letter, end};
    letter = end;
  }
}

// Returns its end.
std::byte* HostCommunicator::write_letter(std::size_t to, const Tensor& tokens, std::byte* letter) const {
  const RowCounts& counts = counts_out_[to];
  const auto row_bytes = std::size_t(counts.row_bytes);
  const auto* const rows = static_cast<const std::byte*>(tokens.raw());
  copy_bytes(letter, &counts, sizeof counts);
  std::byte* visit_to = letter + sizeof counts;
  std::byte* row_to = visit_to + visits_[to].size() * sizeof(Visit);
  std::int32_t last_token = -1, place = -1;
  for (const Visit& visit : visits_[to]) {
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
  return row_to;
}

// What peers say may be anything.
void HostCommunicator::read_counts(const RowCounts& capacity) {
  RowCounts room = capacity;
  for (std::size_t r = 0; r < ranks(); ++r) {
    RowCounts& counts = counts_in_[r];
    copy_bytes(&counts, letters_[r].data(), sizeof counts);
    const std::string name = "rank " + std::to_string(r);
    if (counts.row_bytes != capacity.row_bytes) mesh_->fail(name + " brings rows of another width");
    if (counts.visits > room.visits || counts.tokens > room.tokens)
      mesh_->fail(name + " brings more rows than there is room for");
    if (!counts.possible() || counts.bytes() != letters_[r].size())
      mesh_->fail(name + " brings other rows than it says");
    room.visits -= counts.visits;
    room.tokens -= counts.tokens;
  }
}

// By source rank, then token; visits then by slot.
void HostCommunicator::take_rows(const ExpertPlacement& placement, ExpertBatch& out) {
  auto* const rows_to = static_cast<std::byte*>(out.rows.raw());
  auto* const visit_rows_to = out.visit_rows.as<std::int32_t>();
  auto* const visit_experts_to = out.visit_experts.as<std::int32_t>();
  std::int64_t row = 0, place = 0;
  for (std::size_t r = 0; r < ranks(); ++r) {
    const RowCounts& counts = counts_in_[r];
    const auto row_bytes = std::size_t(counts.row_bytes);
    const std::byte* const visits = letters_[r].data() + sizeof counts;
    const std::byte* const rows = visits + std::size_t(counts.visits) * sizeof(Visit);
    for (std::int64_t i = 0; i < counts.visits; ++i, ++place) {
      Visit visit;
      copy_bytes(&visit, visits + std::size_t(i) * sizeof visit, sizeof visit);
      if (visit.token < 0 || visit.token >= counts.tokens)
        mesh_->fail("rank " + std::to_string(r) + " names a token that it did not bring");
      if (visit.expert < 0 || visit.expert >= placement.experts() || !placement.holds(rank(), visit.expert))
        mesh_->fail("rank " + std::to_string(r) + " asks for an expert that is not here");
      visit_rows_to[place] = std::int32_t(row) + visit.token;
      visit_experts_to[place] = visit.expert;
    }
    copy_bytes(rows_to + std::size_t(row) * row_bytes, rows, std::size_t(counts.tokens) * row_bytes);
    row += counts.tokens;
  }
  out.counts.as<std::int32_t>()[0] = std::int32_t(row);
  out.counts.as<std::int32_t>()[1] = std::int32_t(place);
}

void HostCommunicator::combine(Queue&, const Tensor& results, Tensor out) {
  CHECK(out.rows() == std::int64_t(homes_.size()), "combine does not follow its dispatch");
  CHECK(results.dtype() == out.dtype() && results.row_elements() == out.row_elements(),
        "combine into another width");
  const std::size_t row_bytes = std::size_t(out.row_elements()) * kernels::size_of(out.dtype());
  Bytes rest = bytes_of(results);
  for (std::size_t r = 0; r < ranks(); ++r) {
    const std::size_t bytes = std::size_t(counts_in_[r].visits) * row_bytes;
    CHECK(bytes <= rest.size(), "fewer results than visits");
    out_[r] = rest.first(bytes);
    rest = rest.subspan(bytes);
  }
  letters_[self()] = out_[self()];
  mesh_->exchange(Message::combine, out_, [&](int from, std::size_t bytes) {
    const auto r = std::size_t(from);
    const std::size_t expected = std::size_t(counts_out_[r].visits) * row_bytes;
    std::byte* const room = received_[r].room(expected);
    letters_[r] = {room, expected};
    return exactly(from, bytes, expected, room);
  });
  auto* to = static_cast<std::byte*>(out.raw());
  for (const Home& home : homes_) {
    copy_bytes(to, letters_[std::size_t(home.rank)].data() + std::size_t(home.visit) * row_bytes, row_bytes);
    to += row_bytes;
  }
}

}  // namespace

std::unique_ptr<Communicator> host_communicator(std::unique_ptr<Mesh> mesh) {
  return std::make_unique<HostCommunicator>(std::move(mesh));
}

}  // namespace troupe::transport
