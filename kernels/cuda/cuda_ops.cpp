#include "kernels/cuda/cuda_ops.hpp"

#include <algorithm>
#include <cstring>

namespace troupe::kernels::cuda {
namespace {

// Lists of a step, one after another in one piece of memory.
class Lists {
 public:
  // Where a list of n begins.
  std::int64_t add(std::int64_t n) {
    const std::int64_t at = words_;
    words_ += n;
    return at;
  }
  std::size_t bytes() const { return std::size_t(words_) * sizeof(std::int32_t); }

 private:
  std::int64_t words_ = 0;
};

}  // namespace

void CudaOps::upload(void* to, std::span<const std::byte> from) {
  if (from.empty()) return;
  if (std::byte* const host = host_address(to))
    std::memcpy(host, from.data(), from.size());
  else
    gpu_->upload(to, from.data(), from.size());
}

void CudaOps::read(Queue& queue, const Tensor& x, std::span<std::byte> to) {
  CHECK(to.size() == x.bytes(), "shapes of read");
  stream_of(queue).copy_out(to.data(), x.raw(), to.size());
}

void CudaOps::stage(Queue& queue, StepLayout& layout, std::span<IndexList* const> lists) {
  Lists all;
  const std::int64_t position = all.add(layout.tokens), first_block = all.add(layout.tokens);
  std::int64_t block_count = 0;
  for (const SequenceLayout& s : layout.sequences) block_count += std::ssize(s.blocks);
  const std::int64_t blocks = all.add(block_count);
  std::vector<std::int64_t> places;
  for (const IndexList* list : lists) places.push_back(all.add(list->size()));

  lists_ = stream_of(queue).stage(all.bytes());
  auto* const host = static_cast<std::int32_t*>(lists_.host());
  std::fill_n(host + first_block, layout.tokens, -1);
  std::int64_t next_block = 0;
  for (const SequenceLayout& s : layout.sequences) {
    CHECK(s.first_row >= 0 && s.first_row + s.rows <= layout.tokens, "a sequence beyond the step");
    for (std::int64_t i = 0; i < s.rows; ++i) {
      host[position + s.first_row + i] = std::int32_t(s.first_position + i);
      host[first_block + s.first_row + i] = std::int32_t(next_block);
    }
    std::ranges::copy(s.blocks, host + blocks + next_block);
    next_block += std::ssize(s.blocks);
  }
  for (std::size_t i = 0; i < lists.size(); ++i) std::ranges::copy(lists[i]->host(), host + places[i]);

  lists_.send();
  const auto* const device = static_cast<const std::int32_t*>(lists_.device());
  step_ = {.position = device + position, .first_block = device + first_block, .blocks = device + blocks};
  layout.device = &step_;
  for (std::size_t i = 0; i < lists.size(); ++i) lists[i]->staged(device + places[i]);
}

const StagedStep& CudaOps::staged(const StepLayout& layout) {
  CHECK(layout.device != nullptr, "a layout that was not staged");
  return *static_cast<const StagedStep*>(layout.device);
}

const std::int32_t* CudaOps::staged(const IndexList& list) {
  CHECK(list.device() != nullptr, "a list that was not staged");
  return list.device();
}

}  // namespace troupe::kernels::cuda
