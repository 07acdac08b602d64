#include "transport/nccl/communicator.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <vector>

#include "kernels/cuda/cuda_ops.hpp"
#include "kernels/cuda/exchange.hpp"

namespace troupe::transport {

using kernels::DType;
using kernels::ExpertBatch;
using kernels::Queue;
using kernels::Routing;
using kernels::Tensor;
using kernels::cuda::blocks_of;
using kernels::cuda::CudaQueue;
using kernels::cuda::ExpertHolders;
using kernels::cuda::Gpu;
using kernels::cuda::ListArrivals;
using kernels::cuda::PackResults;
using kernels::cuda::PackTokens;
using kernels::cuda::TakeResults;
using kernels::cuda::TakeRows;
using kernels::cuda::TokenMessage;
using kernels::cuda::TreeSum;

namespace {

constexpr std::size_t whole_sum_bytes = 64
                                        << 10;  // up to here one exchange of all is faster than two of slices
constexpr std::size_t results_at_once = 64 << 20;  // bytes of a round of combine, unless a slot is more
constexpr std::size_t word_bytes = sizeof(std::uint32_t);

// Memory of the GPU that grows and loses what it held when it does.
class Room {
 public:
  void* of(Gpu& gpu, std::size_t bytes) {
    if (bytes > bytes_) {
      const std::size_t more = std::max(bytes, 2 * bytes_);
      bytes_ = 0;
      memory_.reset();  // waits for what uses it
      memory_ = gpu.allocate(more);
      bytes_ = more;
    }
    return memory_.get();
  }
  template <class T>
  T* of(Gpu& gpu, std::int64_t count) {
    return static_cast<T*>(of(gpu, std::size_t(count) * sizeof(T)));
  }

 private:
  std::shared_ptr<void> memory_;
  std::size_t bytes_ = 0;
};

std::int64_t words_of_row(const Tensor& x) {
  const std::size_t bytes = std::size_t(x.row_elements()) * size_of(x.dtype());
  CHECK(bytes % word_bytes == 0, "rows of no whole words");
  return std::int64_t(bytes / word_bytes);
}

std::byte* at(const void* memory, std::size_t offset) {
  return static_cast<std::byte*>(const_cast<void*>(memory)) + offset;
}

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(std::shared_ptr<NcclEpoch> epoch, int first, int size)
      : epoch_(std::move(epoch)),
        first_(first),
        size_(size),
        nonsense_(epoch_->gpu().allocate_pinned(sizeof(std::int32_t))) {
    CHECK(size >= 1 && std::has_single_bit(unsigned(size)), "ranks must be a power of two");
    CHECK(size <= kernels::cuda::most_exchanging_ranks, "more ranks than kernels add up");
    CHECK(first >= 0 && first + size <= epoch_->size() && rank() >= 0 && rank() < size, "no such rank");
    *nonsense() = 0;
  }
  ~NcclCommunicator() override { epoch_->end("this rank left the epoch"); }

  int rank() const override { return epoch_->rank() - first_; }
  int size() const override { return size_; }
  void all_reduce(Queue& queue, Tensor x) override;
  void all_gather(Queue& queue, const Tensor& mine, Tensor all) override;
  void dispatch(Queue& queue, const Tensor& tokens, const Routing& routing, const ExpertPlacement& placement,
                ExpertBatch& out) override;
  void combine(Queue& queue, const Tensor& results, Tensor out) override;
  void check() override;
  void abort() noexcept override { epoch_->end("the epoch was aborted by rank " + std::to_string(rank())); }

 private:
  Gpu& gpu() { return epoch_->gpu(); }
  std::int32_t* nonsense() const { return static_cast<std::int32_t*>(nonsense_.get()); }
  CudaQueue& begin(Queue& queue, const char* collective);
  template <class Parcel>
  void exchange(CudaQueue& queue, Parcel parcel);
  void gather(CudaQueue& queue, const void* mine, void* all, std::size_t bytes);
  void sum_whole(CudaQueue& queue, float* x, std::int64_t count);
  void sum_slices(CudaQueue& queue, float* x, std::int64_t count);
  ExpertHolders place(CudaQueue& queue, const ExpertPlacement& placement);

  const std::shared_ptr<NcclEpoch> epoch_;
  const int first_, size_;
  const char* collective_ = "connect";  // the last one that began
  std::vector<NcclEpoch::Parcel> parcels_;
  Room parts_, packed_, arrived_;
  // Of the last dispatch, until its combine:
  TokenMessage message_{};
  std::int64_t tokens_ = 0;
  Room all_, row_token_, visit_of_;
  ExpertPlacement placement_;
  kernels::cuda::StagedBytes placed_;
  ExpertHolders holders_{};
  const std::shared_ptr<void> nonsense_;  // see ListArrivals
};

CudaQueue& NcclCommunicator::begin(Queue& queue, const char* collective) {
  collective_ = collective;
  epoch_->check_alive(collective);
  return CudaQueue::of(queue);
}

void NcclCommunicator::check() {
  epoch_->check(collective_);
  if (const std::int32_t who = std::atomic_ref(*nonsense()).load(std::memory_order_relaxed); who != 0)
    epoch_->fail(collective_, "rank " + std::to_string(who - 1) + " asks for an expert that there is not");
}

// parcel(r): what goes to the other rank r, and its room for what comes.
template <class Parcel>
void NcclCommunicator::exchange(CudaQueue& queue, Parcel parcel) {
  if (size_ == 1) return;
  parcels_.clear();
  for (int r = 0; r < size_; ++r) {
    if (r == rank()) continue;
    parcels_.push_back(parcel(r));
    parcels_.back().peer = first_ + r;
  }
  epoch_->exchange(queue, collective_, parcels_);
}

void NcclCommunicator::gather(CudaQueue& queue, const void* mine, void* all, std::size_t bytes) {
  if (bytes == 0) return;
  if (size_ > 1 && size_ == epoch_->size()) return epoch_->all_gather(queue, collective_, mine, all, bytes);
  queue.copy(at(all, std::size_t(rank()) * bytes), mine, bytes);
  exchange(queue, [&](int r) {
    return NcclEpoch::Parcel{
        .out = mine, .out_bytes = bytes, .in = at(all, std::size_t(r) * bytes), .in_bytes = bytes};
  });
}

void NcclCommunicator::all_reduce(Queue& any, Tensor x) {
  CudaQueue& queue = begin(any, "all_reduce");
  if (size_ == 1 || x.elements() == 0) return;
  x.bytes() <= whole_sum_bytes ? sum_whole(queue, x.as<float>(), x.elements())
                               : sum_slices(queue, x.as<float>(), x.elements());
}

void NcclCommunicator::sum_whole(CudaQueue& queue, float* x, std::int64_t count) {
  auto* const parts = parts_.of<float>(gpu(), size_ * count);
  gather(queue, x, parts, std::size_t(count) * sizeof(float));
  queue.launch(blocks_of<TreeSum>(count),
               TreeSum{.parts = parts, .ranks = size_, .elements = count, .out = x});
}

// Every rank sums one slice of all ranks' partials, then all gather the slices.
void NcclCommunicator::sum_slices(CudaQueue& queue, float* x, std::int64_t count) {
  const auto begin = [&](int r) { return r * count / size_; };
  const auto bytes = [&](int r) { return std::size_t(begin(r + 1) - begin(r)) * sizeof(float); };
  const std::int64_t mine = begin(rank() + 1) - begin(rank());
  float* const own = x + begin(rank());
  auto* const parts = parts_.of<float>(gpu(), size_ * mine);
  queue.copy(parts + rank() * mine, own, bytes(rank()));
  exchange(queue, [&](int r) {
    return NcclEpoch::Parcel{
        .out = x + begin(r), .out_bytes = bytes(r), .in = parts + r * mine, .in_bytes = bytes(rank())};
  });
  queue.launch(blocks_of<TreeSum>(mine),
               TreeSum{.parts = parts, .ranks = size_, .elements = mine, .out = own});
  exchange(queue, [&](int r) {
    return NcclEpoch::Parcel{
        .out = own, .out_bytes = bytes(rank()), .in = x + begin(r), .in_bytes = bytes(r)};
  });
}

void NcclCommunicator::all_gather(Queue& any, const Tensor& mine, Tensor all) {
  CHECK(all.dtype() == mine.dtype() && all.elements() == size_ * mine.elements(),
        "all_gather into another shape");
  gather(begin(any, "all_gather"), mine.raw(), all.raw(), mine.bytes());
}

// How much there is for whom is known to the devices alone. So everybody tells everybody all of its tokens, and takes
// what visits its experts.
void NcclCommunicator::dispatch(Queue& any, const Tensor& tokens, const Routing& routing,
                                const ExpertPlacement& placement, ExpertBatch& out) {
  CudaQueue& queue = begin(any, "dispatch");
  const std::int64_t most = out.rows.rows() / size_, k = routing.experts.shape(1), all_tokens = size_ * most;
  CHECK(tokens.dtype() == out.rows.dtype() && tokens.row_elements() == out.rows.row_elements(),
        "dispatch into another width");
  CHECK(tokens.rows() <= most, "more rows than the batch's capacity");
  CHECK(all_tokens * k <= std::min(out.visit_rows.rows(), out.visit_experts.rows()),
        "more visits than the batch's capacity");
  message_ = {.most = most, .slots = int(k), .row_words = words_of_row(tokens)};
  tokens_ = tokens.rows();
  const ExpertHolders holders = place(queue, placement);
  auto* const packed = packed_.of<std::uint32_t>(gpu(), message_.words());
  auto* const all = all_.of<std::uint32_t>(gpu(), size_ * message_.words());
  auto* const row_token = row_token_.of<std::int32_t>(gpu(), all_tokens);
  auto* const counts = out.counts.as<std::int32_t>();
  queue.launch({.x = most}, PackTokens{.message = message_,
                                       .tokens = tokens_,
                                       .choices = routing.experts.as<std::int32_t>(),
                                       .experts = holders.experts,
                                       .rows = static_cast<const std::uint32_t*>(tokens.raw()),
                                       .out = packed});
  gather(queue, packed, all, std::size_t(message_.words()) * word_bytes);
  queue.launch({}, ListArrivals{.message = message_,
                                .all = all,
                                .ranks = size_,
                                .rank = rank(),
                                .holders = holders,
                                .visit_rows = out.visit_rows.as<std::int32_t>(),
                                .visit_experts = out.visit_experts.as<std::int32_t>(),
                                .counts = counts,
                                .row_token = row_token,
                                .visit_of = visit_of_.of<std::int32_t>(gpu(), all_tokens * k),
                                .nonsense = nonsense()});
  queue.launch({.x = all_tokens}, TakeRows{.message = message_,
                                           .all = all,
                                           .row_token = row_token,
                                           .counts = counts,
                                           .rows = static_cast<std::uint32_t*>(out.rows.raw())});
}

// On the device, anew when it is another.
ExpertHolders NcclCommunicator::place(CudaQueue& queue, const ExpertPlacement& placement) {
  if (placement == placement_ && holders_.first != nullptr) return holders_;
  const auto experts = std::size_t(placement.experts());
  std::size_t ranks = 0;
  for (const auto& holders : placement.holders) ranks += holders.size();
  placed_ = queue.stage((experts + 1 + ranks) * sizeof(std::int32_t));
  auto* const first = static_cast<std::int32_t*>(placed_.host());
  std::int32_t* next = first + experts + 1;
  for (std::size_t expert = 0; expert < experts; ++expert) {
    first[expert] = std::int32_t(next - first - std::ptrdiff_t(experts) - 1);
    next = std::ranges::copy(placement.holders[expert], next).out;
  }
  first[experts] = std::int32_t(ranks);
  placed_.send();
  placement_ = placement;
  const auto* const device = static_cast<const std::int32_t*>(placed_.device());
  return holders_ = {.first = device, .ranks = device + experts + 1, .experts = int(experts)};
}

// Every slot of every token has its place in what is sent, so that no count is needed; some slots at a time.
void NcclCommunicator::combine(Queue& any, const Tensor& results, Tensor out) {
  CudaQueue& queue = begin(any, "combine");
  const int k = message_.slots;
  CHECK(out.rows() == tokens_ * k, "combine does not follow its dispatch");
  CHECK(results.dtype() == out.dtype() && results.row_elements() == out.row_elements(),
        "combine into another width");
  TokenMessage message = message_;
  message.row_words = words_of_row(out);
  const std::size_t slot_bytes = std::size_t(message.most * message.row_words) * word_bytes;  // to a rank
  if (slot_bytes == 0) return;
  const int at_once =
      int(std::clamp<std::size_t>(results_at_once / (std::size_t(size_) * slot_bytes), 1, std::size_t(k)));
  const std::size_t bytes = std::size_t(size_) * std::size_t(at_once) * slot_bytes;
  void* const packed = packed_.of(gpu(), bytes);
  void* const arrived = size_ == 1 ? packed : arrived_.of(gpu(), bytes);
  const auto* const visit_of = visit_of_.of<std::int32_t>(gpu(), 0);
  const auto* const choices = all_.of<std::int32_t>(gpu(), 0) + rank() * message_.words();
  for (int first = 0; first < k; first += at_once) {
    const int slots = std::min(at_once, k - first);
    const std::size_t part = std::size_t(slots) * slot_bytes;
    const auto part_of = [&](void* memory, int r) { return at(memory, std::size_t(r) * part); };
    queue.launch({.x = size_ * message.most * slots},
                 PackResults{.message = message,
                             .first_slot = first,
                             .slots = slots,
                             .visit_of = visit_of,
                             .results = static_cast<const std::uint32_t*>(results.raw()),
                             .out = static_cast<std::uint32_t*>(packed)});
    if (size_ > 1) queue.copy(part_of(arrived, rank()), part_of(packed, rank()), part);
    exchange(queue, [&](int r) {
      return NcclEpoch::Parcel{
          .out = part_of(packed, r), .out_bytes = part, .in = part_of(arrived, r), .in_bytes = part};
    });
    queue.launch({.x = tokens_ * slots}, TakeResults{.message = message,
                                                     .first_slot = first,
                                                     .slots = slots,
                                                     .choices = choices,
                                                     .rank = rank(),
                                                     .holders = holders_,
                                                     .arrived = static_cast<const std::uint32_t*>(arrived),
                                                     .out = static_cast<std::uint32_t*>(out.raw())});
  }
}

}  // namespace

std::unique_ptr<Communicator> nccl_communicator(std::shared_ptr<NcclEpoch> epoch, int first, int size) {
  return std::make_unique<NcclCommunicator>(std::move(epoch), first, size);
}

std::shared_ptr<Gpu> gpu_of(kernels::Ops* ops) {
  const auto* const cuda = dynamic_cast<const kernels::cuda::CudaOps*>(ops);
  return cuda ? cuda->gpu() : nullptr;
}

}  // namespace troupe::transport
