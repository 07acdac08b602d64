#include "transport/collective_check.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "transport/tree_sum.hpp"

namespace troupe::transport {
namespace {

using kernels::DType;
using kernels::Tensor;

constexpr std::int64_t tokens_of_rank = 5, experts_of_token = 2, experts_of_rank = 2;  // of the check
constexpr std::int64_t checked_columns[] = {96, 8192};  // sums of 1,920 and 163,840 bytes
constexpr int times = 10;                               // of each timing

// A rank's value in some place: of very different sizes, so that another order of a sum gives other bytes.
float value_of(int rank, std::int64_t i) {
  std::uint32_t x = (std::uint32_t(rank) + 1) * 2654435761u ^ std::uint32_t(i) * 2246822519u;
  x = (x ^ x >> 15) * 2246822519u;
  x ^= x >> 13;
  const int exponent = int(x >> 24) % 20 - 10;
  return std::ldexp(float(std::int32_t(x & 0xffff) - 32768), exponent) / 3;
}

std::vector<float> values_of(int rank, std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) values[std::size_t(i)] = value_of(rank, i);
  return values;
}

// A tensor of the device.
class OnDevice {
 public:
  OnDevice(kernels::Ops& ops, DType type, std::initializer_list<std::int64_t> shape)
      : ops_(ops),
        tensor_(nullptr, type, shape),
        memory_(ops.allocate(std::max<std::size_t>(tensor_.bytes(), 1))) {
    tensor_ = tensor_.at(memory_.get());
  }
  template <class T>
  OnDevice(kernels::Ops& ops, DType type, std::initializer_list<std::int64_t> shape,
           const std::vector<T>& values)
      : OnDevice(ops, type, shape) {
    upload(values);
  }
  operator const Tensor&() const { return tensor_; }
  const Tensor& tensor() const { return tensor_; }

  template <class T>
  void upload(const std::vector<T>& values) {
    ops_.upload(tensor_.raw(), std::as_bytes(std::span(values)));
  }
  template <class T>
  std::vector<T> read(kernels::Queue& queue, std::int64_t elements) const {
    std::vector<T> values(static_cast<std::size_t>(elements));
    ops_.read(queue, Tensor(tensor_.raw(), tensor_.dtype(), {elements}),
              std::as_writable_bytes(std::span(values)));
    queue.wait(TimePoint::max());
    return values;
  }

 private:
  kernels::Ops& ops_;
  Tensor tensor_;
  std::shared_ptr<void> memory_;
};

template <class T>
void compare(Collective which, int rank, const std::vector<T>& got, const std::vector<T>& expected) {
  const auto bytes = [](const std::vector<T>& x) { return std::as_bytes(std::span(x)); };
  const auto differ = std::ranges::mismatch(bytes(got), bytes(expected));
  if (got.size() == expected.size() && differ.in1 == bytes(got).end()) return;
  throw Error("rank " + std::to_string(rank) + " got a wrong byte in element " +
                  std::to_string(std::size_t(differ.in1 - bytes(got).begin()) / sizeof(T)) + " of " +
                  std::to_string(expected.size()),
              to_string(which),
              "what lies between the ranks corrupts data; see troupe selftest --collectives");
}

// The collectives of one check.
class Check {
 public:
  Check(Communicator& ranks, kernels::Ops& ops, kernels::Queue& queue, std::int64_t columns)
      : ranks_(ranks), ops_(ops), queue_(queue), columns_(columns) {}

  void all_reduce() {
    const std::int64_t count = tokens_of_rank * columns_;
    const OnDevice x(ops_, DType::f32, {tokens_of_rank, columns_}, values_of(ranks_.rank(), count));
    ranks_.all_reduce(queue_, x);
    std::vector<float> parts;
    for (int r = 0; r < ranks_.size(); ++r) append(parts, values_of(r, count));
    tree_sum(parts.data(), std::size_t(ranks_.size()), std::size_t(count), std::size_t(count));
    parts.resize(std::size_t(count));
    compare(Collective::all_reduce, ranks_.rank(), x.read<float>(queue_, count), parts);
  }

  void all_gather() {
    const OnDevice mine(ops_, DType::f32, {1, columns_}, values_of(ranks_.rank(), columns_));
    const OnDevice all(ops_, DType::f32, {ranks_.size(), columns_});
    ranks_.all_gather(queue_, mine, all);
    std::vector<float> expected;
    for (int r = 0; r < ranks_.size(); ++r) append(expected, values_of(r, columns_));
    compare(Collective::all_gather, ranks_.rank(), all.read<float>(queue_, ranks_.size() * columns_),
            expected);
  }

  // Expert e turns x into x + e on the way.
  void dispatch_and_combine() {
    const std::int64_t all_tokens = ranks_.size() * tokens_of_rank,
                       all_visits = all_tokens * experts_of_token;
    const auto placement = ExpertPlacement::spread(ranks_.size() * experts_of_rank, ranks_.size());
    const OnDevice tokens(ops_, DType::f32, {tokens_of_rank, columns_},
                          values_of(ranks_.rank(), tokens_of_rank * columns_));
    const OnDevice chosen(ops_, DType::i32, {tokens_of_rank, experts_of_token}, experts_of(ranks_.rank()));
    const OnDevice rows(ops_, DType::f32, {all_tokens, columns_}), visit_rows(ops_, DType::i32, {all_visits}),
        visit_experts(ops_, DType::i32, {all_visits}), counts(ops_, DType::i32, {2});
    kernels::ExpertBatch batch{rows, visit_rows, visit_experts, counts};
    ranks_.dispatch(queue_, tokens, {chosen, {}}, placement, batch);

    const Batch expected = batch_of(placement);
    const auto visits = std::int64_t(expected.visit_rows.size());
    const auto got = [&]<class T>(const OnDevice& x, const std::vector<T>& wanted) {
      compare(Collective::dispatch, ranks_.rank(), x.read<T>(queue_, std::ssize(wanted)), wanted);
    };
    got(counts,
        std::vector<std::int32_t>{std::int32_t(std::ssize(expected.rows) / columns_), std::int32_t(visits)});
    got(rows, expected.rows);
    got(visit_rows, expected.visit_rows);
    got(visit_experts, expected.visit_experts);

    const OnDevice results(ops_, DType::f32, {all_visits, columns_}, results_of(expected));
    const OnDevice back(ops_, DType::f32, {tokens_of_rank * experts_of_token, columns_});
    ranks_.combine(queue_, results, back);
    std::vector<float> wanted;
    const std::vector<std::int32_t> experts = experts_of(ranks_.rank());
    for (std::size_t slot = 0; slot < experts.size(); ++slot)
      for (std::int64_t i = 0; i < columns_; ++i)
        wanted.push_back(value_of(ranks_.rank(), std::int64_t(slot) / experts_of_token * columns_ + i) +
                         float(experts[slot]));
    compare(Collective::combine, ranks_.rank(), back.read<float>(queue_, std::ssize(wanted)), wanted);
  }

 private:
  struct Batch {
    std::vector<float> rows;
    std::vector<std::int32_t> visit_rows, visit_experts;
  };

  static void append(std::vector<float>& all, const std::vector<float>& more) {
    all.insert(all.end(), more.begin(), more.end());
  }
  // [tokens, slots] of a rank, two different ones each.
  std::vector<std::int32_t> experts_of(int rank) const {
    const auto experts = std::int32_t(ranks_.size() * experts_of_rank);
    std::vector<std::int32_t> all;
    for (std::int32_t token = 0; token < tokens_of_rank; ++token) {
      const std::int32_t first = (rank * 3 + token * 5) % experts;
      all.insert(all.end(), {first, (first + 1 + token) % experts == first ? (first + 1) % experts
                                                                           : (first + 1 + token) % experts});
    }
    return all;
  }
  // What this rank must get.
  Batch batch_of(const ExpertPlacement& placement) const {
    Batch batch;
    std::int32_t rows = 0;
    for (int source = 0; source < ranks_.size(); ++source) {
      const std::vector<std::int32_t> experts = experts_of(source);
      for (std::int64_t token = 0; token < tokens_of_rank; ++token) {
        bool has_row = false;
        for (std::int64_t slot = 0; slot < experts_of_token; ++slot) {
          const std::int32_t expert = experts[std::size_t(token * experts_of_token + slot)];
          if (placement.owner(expert, source, token) != ranks_.rank()) continue;
          if (!std::exchange(has_row, true)) {
            ++rows;
            for (std::int64_t i = 0; i < columns_; ++i)
              batch.rows.push_back(value_of(source, token * columns_ + i));
          }
          batch.visit_rows.push_back(rows - 1);
          batch.visit_experts.push_back(expert);
        }
      }
    }
    return batch;
  }
  std::vector<float> results_of(const Batch& batch) const {
    std::vector<float> results;
    for (std::size_t visit = 0; visit < batch.visit_rows.size(); ++visit)
      for (std::int64_t i = 0; i < columns_; ++i)
        results.push_back(batch.rows[std::size_t(batch.visit_rows[visit] * columns_ + i)] +
                          float(batch.visit_experts[visit]));
    return results;
  }

  Communicator& ranks_;
  kernels::Ops& ops_;
  kernels::Queue& queue_;
  const std::int64_t columns_;
};

// share: of the bytes that a rank brings, what crosses its link.
CollectiveTime timed(Collective which, std::int64_t bytes, double share, kernels::Queue& queue,
                     const std::function<void()>& call) {
  std::vector<Duration> took;
  for (int i = 0; i <= times; ++i) {
    const TimePoint start = now();
    call();
    queue.wait(TimePoint::max());
    if (i > 0) took.push_back(now() - start);  // the first one makes what the others find
  }
  std::ranges::sort(took);
  const Duration median = took[took.size() / 2];
  return {which, bytes, took.front(), median,
          share * double(bytes) / std::max(std::chrono::duration<double>(median).count(), 1e-9)};
}

}  // namespace

void check_collectives(Communicator& ranks, kernels::Ops& ops, kernels::Queue& queue) {
  for (const std::int64_t columns : checked_columns) {
    Check check(ranks, ops, queue, columns);
    check.all_reduce();
    check.all_gather();
    check.dispatch_and_combine();
  }
}

std::vector<CollectiveTime> time_collectives(Communicator& ranks, kernels::Ops& ops, kernels::Queue& queue,
                                             std::span<const std::int64_t> bytes) {
  constexpr std::int64_t columns = 1024;
  const double size = ranks.size(), others = (size - 1) / size;
  const auto placement = ExpertPlacement::spread(ranks.size(), ranks.size());
  std::vector<CollectiveTime> all;
  for (const std::int64_t each : bytes) {
    const std::int64_t rows = std::max<std::int64_t>(each / columns / std::int64_t(sizeof(float)), 1),
                       own = rows * columns * std::int64_t(sizeof(float));
    const OnDevice mine(ops, DType::f32, {rows, columns}), back(ops, DType::f32, {rows, columns});
    const OnDevice whole(ops, DType::f32, {ranks.size() * rows, columns});
    all.push_back(
        timed(Collective::all_reduce, own, 2 * others, queue, [&] { ranks.all_reduce(queue, mine); }));
    all.push_back(
        timed(Collective::all_gather, own, size - 1, queue, [&] { ranks.all_gather(queue, mine, whole); }));
    // One expert a token and rank, in turns.
    std::vector<std::int32_t> chosen(static_cast<std::size_t>(rows));
    for (std::size_t t = 0; t < chosen.size(); ++t) chosen[t] = std::int32_t(t % std::size_t(ranks.size()));
    const OnDevice experts(ops, DType::i32, {rows, 1}, chosen),
        visit_rows(ops, DType::i32, {ranks.size() * rows}),
        visit_experts(ops, DType::i32, {ranks.size() * rows}), counts(ops, DType::i32, {2});
    kernels::ExpertBatch batch{whole, visit_rows, visit_experts, counts};
    all.push_back(timed(Collective::dispatch, own, others, queue, [&] {
      ranks.dispatch(queue, mine, {experts, {}}, placement, batch);
    }));
    const std::int32_t visits = counts.read<std::int32_t>(queue, 2)[1];
    all.push_back(timed(Collective::combine, own, others, queue, [&] {
      ranks.dispatch(queue, mine, {experts, {}}, placement, batch);
      ranks.combine(queue, whole.tensor().slice(0, std::max(visits, 0)), back);
    }));
  }
  return all;
}

}  // namespace troupe::transport
