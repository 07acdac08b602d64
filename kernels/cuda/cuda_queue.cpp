#include "kernels/cuda/cuda_queue.hpp"

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include "runtime/base/error.hpp"

namespace troupe::kernels::cuda {

CudaQueue::CudaQueue(std::shared_ptr<Gpu> gpu, TickBoard* ticks) : gpu_(std::move(gpu)), ticks_(ticks) {
  gpu_->use();
  Stream made = nullptr;
  gpu_->require(gpu_->calls().create_stream(&made, stream_apart), "making a stream");
  stream_.reset(made, [gpu = gpu_](Stream stream) {
    gpu->try_use();
    gpu->calls().destroy_stream(stream);
  });
  staging_ = std::make_shared<Staging>(gpu_, made);
}

CudaQueue::~CudaQueue() {
  gpu_->try_use();
  gpu_->calls().wait_for_stream(stream());  // what is enqueued uses memory of others
  tell_that_all_is_done();
}

CudaQueue& CudaQueue::of(Queue& queue) {
  auto* const stream = dynamic_cast<CudaQueue*>(&queue);
  CHECK(stream != nullptr, "a queue of another device");
  return *stream;
}

void CudaQueue::wait(TimePoint deadline) {
  gpu_->use();
  tell_what_is_under_way();
  for (;;) {
    if (done()) break;
    tell_what_is_under_way();
    look();
    if (now() >= deadline)
      throw DeviceError({DeviceFaultKind::hang, not_known_to_be_done()}, "the GPU did not finish in time",
                        not_known_to_be_done(), "the worker is replaced");
    std::this_thread::yield();
  }
  tell_that_all_is_done();
  enqueued_.clear();
  marks_.clear();
  reached_ = 0;
  for (const auto& finish : std::exchange(finish_, {})) finish();
  look();
}

bool CudaQueue::done() const {
  const Result result = gpu_->calls().query_stream(stream());
  if (result != success && result != not_ready) fail(result);
  return result == success;
}

// By the driver's thread, between two pieces of the stream's work. Of a device that fails before, nobody hears of it.
void CudaQueue::set(std::atomic<std::uint64_t>& to, std::uint64_t value) {
  const auto write = [](void* argument) {
    const Mark& mark = *static_cast<const Mark*>(argument);
    mark.to.store(mark.value, std::memory_order_relaxed);
    mark.reached = mark.before;
  };
  gpu_->use();
  Mark& mark = marks_.emplace_back(Mark{to, value, reached_, enqueued_.size()});
  gpu_->require(gpu_->calls().run_on_host(stream(), write, &mark), "marking how far a stream has come");
  tell_what_is_under_way();  // behind a kernel that hangs, the host may never come to wait: launches block, too
}

void CudaQueue::copy_in(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  gpu_->use();
  enqueued("copy to the GPU", gpu_->calls().copy_in(reinterpret_cast<Address>(to), from, bytes, stream()));
}

void CudaQueue::copy_out(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  gpu_->use();
  note("copy from the GPU");
  const auto staged = std::make_shared<StagedBytes>(staging_->take_on_host(bytes));
  staged->fetch(from);
  when_done([staged, to, bytes] { std::memcpy(to, staged->host(), bytes); });
}

void CudaQueue::copy(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  gpu_->use();
  enqueued("copy", gpu_->calls().copy(reinterpret_cast<Address>(to), reinterpret_cast<Address>(from), bytes,
                                      stream()));
}

void* CudaQueue::workspace(std::size_t bytes) {
  if (bytes > workspace_bytes_) {
    constexpr std::size_t unit = 2 << 20;  // what a GPU maps at a time
    workspace_bytes_ = 0;
    workspace_.reset();  // waits for what uses it
    workspace_ = gpu_->allocate((bytes + unit - 1) / unit * unit);
    workspace_bytes_ = (bytes + unit - 1) / unit * unit;
  }
  return workspace_.get();
}

void CudaQueue::launch(const char* kernel, const Grid& grid, int threads, const void* arguments) {
  if (grid.empty()) return;
  CHECK(grid.x < std::int64_t{1} << 31 && grid.y < 65536 && grid.z < 65536, "a grid that no GPU has");
  gpu_->use();
  void* parameters[] = {const_cast<void*>(arguments)};
  enqueued(kernel,
           gpu_->calls().launch(gpu_->kernel(kernel), unsigned(grid.x), unsigned(grid.y), unsigned(grid.z),
                                unsigned(threads), 1, 1, 0, stream(), parameters, nullptr));
}

void CudaQueue::enqueued(const char* what, Result result) {
  note(what);
  if (result != success) fail(result);
}

void CudaQueue::fail(Result result) const {
  const std::string kernels = not_known_to_be_done();
  throw DeviceError({fault_of(result), kernels}, describe(gpu_->calls(), result), kernels);
}

std::string CudaQueue::not_known_to_be_done() const {
  const std::size_t first = reached_;
  const auto next = std::ranges::upper_bound(marks_, first, {}, &Mark::before);
  const std::size_t end = next == marks_.end() ? enqueued_.size() : next->before;
  std::vector<std::string_view> names;
  for (std::size_t i = first; i < end; ++i)
    if (std::ranges::find(names, enqueued_[i]) == names.end()) names.emplace_back(enqueued_[i]);
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), most_named); ++i)
    text.append(text.empty() ? "" : ", ").append(names[i]);
  return names.size() > most_named ? text + ", ..." : text;
}

void CudaQueue::tell_what_is_under_way() {
  const std::size_t reached = reached_;
  if (ticks_ == nullptr || told_ == reached) return;
  const std::string kernels = not_known_to_be_done();
  if (kernels.empty()) return;  // not enqueued yet
  ticks_->device_fault.at(kernels);
  told_ = reached;
}

// What is told of a fault stays.
void CudaQueue::tell_that_all_is_done() {
  if (told_ && ticks_->device_fault.read().kind == DeviceFaultKind::none) ticks_->device_fault.at("");
  told_.reset();
}

}  // namespace troupe::kernels::cuda
