#include "kernels/cuda/gpu.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/base/hex.hpp"
#include "runtime/base/out_of_memory.hpp"
#include "runtime/base/process_memory.hpp"

namespace troupe::kernels::cuda {
namespace {

constexpr std::size_t lane_bytes = 4 << 20;  // a job of a reader of weights

}  // namespace

Gpu::Gpu(const DeviceCalls& calls, std::span<const KernelImage> images, int ordinal)
    : calls_(calls), name_("GPU " + std::to_string(ordinal)) {
  find_device(ordinal);
  require(calls_.retain_context(&context_, id_), "taking " + name_);
  use();
  load(images);
  require(calls_.create_stream(&zeroes_, stream_apart), "making a stream on " + name_);
}

Gpu::~Gpu() {
  try_use();
  if (zeroes_) calls_.destroy_stream(zeroes_);
  for (const auto& lane : lanes_) {
    if (lane->stream) calls_.destroy_stream(lane->stream);
    if (lane->piece) calls_.free_pinned(lane->piece);
  }
  for (const Module module : modules_) calls_.unload_module(module);
  calls_.release_context(id_);
}

void Gpu::find_device(int ordinal) {
  int count = 0;
  require(calls_.count_devices(&count), "counting GPUs");
  if (ordinal < 0 || ordinal >= count)
    throw Error("there is no such GPU: this process sees " + std::to_string(count), name_,
                "look at CUDA_VISIBLE_DEVICES and nvidia-smi, or serve with --device cpu");
  require(calls_.find_device(&id_, ordinal), "finding " + name_);
}

void Gpu::load(std::span<const KernelImage> images) {
  if (images.empty())
    throw Error("this program was built without kernels for GPUs", name_,
                "build where nvcc is, with -DTROUPE_CUDA=ON, or serve with --device cpu");
  for (const KernelImage& image : images) {
    Module module = nullptr;
    const Result result = calls_.load_module(&module, image.data);
    if (result == no_binary_for_gpu)
      throw Error(
          "the program has kernels for sm_" + std::string(kernel_architectures()) + ", not for this GPU",
          name_, "build with -DTROUPE_CUDA_ARCHITECTURES for it");
    require(result, std::string("loading the kernels of ") + image.subject + " on " + name_);
    modules_.push_back(module);
  }
}

void Gpu::use() const {
  require(calls_.use_context(context_), "using " + name_);
}

void Gpu::require_alive() const {
  use();
  const Result result = calls_.query_stream(zeroes_);
  if (result != not_ready) require(result, "asking " + name_ + " how it is");
}

std::string Gpu::uuid() const {
  DeviceUuid uuid;
  require(calls_.device_uuid(&uuid, id_), "asking " + name_ + " which it is");
  return hex(std::as_bytes(std::span(uuid.bytes)));
}

DeviceMemory Gpu::memory() const {
  use();
  std::size_t free = 0, total = 0;
  require(calls_.memory(&free, &total), "asking for the memory of " + name_);
  return {total, total - free, /*of_host=*/false};
}

std::string Gpu::bus_id() const {
  char text[32] = {};
  require(calls_.bus_id(text, sizeof text, id_), "asking for the place of " + name_);
  return text;
}

void Gpu::refuse_memory(std::size_t bytes) const {
  const DeviceMemory there = memory();
  throw OutOfMemory("cannot allocate " + std::to_string(bytes) +
                        " bytes: " + std::to_string(there.limit - there.used) + " of " +
                        std::to_string(there.limit) + " are free",
                    name_, "lower --gpu-memory-utilization, --max-model-len or --max-num-batched-tokens");
}

void Gpu::zero(void* memory, std::size_t bytes) {
  use();
  require(calls_.fill(reinterpret_cast<Address>(memory), 0, bytes, zeroes_), "zeroing memory of " + name_);
  require(calls_.wait_for_stream(zeroes_), "zeroing memory of " + name_);
}

std::shared_ptr<void> Gpu::allocate(std::size_t bytes) {
  use();
  Address at = 0;
  const Result result = calls_.allocate(&at, std::max<std::size_t>(bytes, 1));
  if (result == out_of_memory) refuse_memory(bytes);
  require(result, "allocating memory of " + name_);
  std::shared_ptr<void> owned(reinterpret_cast<void*>(at), [gpu = shared_from_this()](void* memory) {
    gpu->try_use();
    gpu->calls_.free(reinterpret_cast<Address>(memory));
  });
  zero(owned.get(), std::max<std::size_t>(bytes, 1));
  return owned;
}

void* Gpu::pin(std::size_t bytes) {
  void* at = nullptr;
  const Result result = calls_.allocate_pinned(&at, bytes, 0);
  if (result == out_of_memory)
    throw OutOfMemory("cannot page-lock " + std::to_string(bytes) +
                          " bytes of the host: " + std::to_string(memory_available()) + " are free",
                      name_, "free memory of the host, raise its limits, or lower --max-num-batched-tokens");
  require(result, "page-locking memory for " + name_);
  return at;
}

std::shared_ptr<void> Gpu::allocate_pinned(std::size_t bytes) {
  use();
  return {pin(bytes), [gpu = shared_from_this()](void* memory) {
            gpu->try_use();
            gpu->calls_.free_pinned(memory);
          }};
}

void Gpu::reach_host(Address at, std::size_t bytes, std::byte* host) {
  const std::lock_guard lock(host_mutex_);
  host_ranges_[at] = {bytes, host};
}

void Gpu::leave_host(Address at) {
  const std::lock_guard lock(host_mutex_);
  host_ranges_.erase(at);
}

std::byte* Gpu::host_address(const void* at) const {
  const auto address = reinterpret_cast<Address>(at);
  const std::lock_guard lock(host_mutex_);
  auto next = host_ranges_.upper_bound(address);
  if (next == host_ranges_.begin()) return nullptr;
  const auto& [begin, range] = *--next;
  return address - begin < range.bytes ? range.host + (address - begin) : nullptr;
}

class Gpu::TakenLane {
 public:
  explicit TakenLane(Gpu& gpu) : gpu_(gpu), lane_(gpu.take_lane()) {}
  ~TakenLane() {
    const std::lock_guard lock(gpu_.mutex_);
    lane_.taken = false;
  }
  TakenLane(const TakenLane&) = delete;
  TakenLane& operator=(const TakenLane&) = delete;
  const Lane& operator*() const { return lane_; }

 private:
  Gpu& gpu_;
  Lane& lane_;
};

Gpu::Lane& Gpu::take_lane() {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(lanes_, false, &Lane::taken);
  if (found != lanes_.end()) {
    (*found)->taken = true;
    return **found;
  }
  Lane& made = *lanes_.emplace_back(std::make_unique<Lane>(Lane{.taken = true}));
  require(calls_.create_stream(&made.stream, stream_apart), "making a stream on " + name_);
  made.piece = pin(lane_bytes);
  return made;
}

// From any other memory the driver would copy by way of one piece of its own, for all threads in turn.
void Gpu::upload(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  use();
  const TakenLane taken(*this);
  const Lane& lane = *taken;
  for (std::size_t done = 0; done < bytes; done += lane_bytes) {
    const std::size_t part = std::min(lane_bytes, bytes - done);
    std::memcpy(lane.piece, static_cast<const std::byte*>(from) + done, part);
    require(calls_.copy_in(reinterpret_cast<Address>(to) + done, lane.piece, part, lane.stream),
            "uploading to " + name_);
    require(calls_.wait_for_stream(lane.stream), "uploading to " + name_);
  }
}

Function Gpu::kernel(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto known = kernels_.find(name); known != kernels_.end()) return known->second;
  const std::string text(name);
  Function function = nullptr;
  for (const Module module : modules_) {
    const Result result = calls_.find_function(&function, module, text.c_str());
    if (result == success) break;
    if (result != not_found) require(result, "finding the kernel " + text + " on " + name_);
  }
  CHECK(function != nullptr, "no image has the kernel " + text);
  return kernels_[text] = function;
}

}  // namespace troupe::kernels::cuda
