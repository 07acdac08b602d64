#include "tests/kernels/cuda/emulated/device.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "runtime/base/error.hpp"
#include "tests/kernels/cuda/emulated/block.hpp"
#include "tests/kernels/cuda/emulated/kernels.hpp"
#include "tests/kernels/cuda/emulated/memory.hpp"
#include "tests/kernels/cuda/emulated/order.hpp"
#include "tests/kernels/cuda/emulated/stream.hpp"

#ifdef __SANITIZE_THREAD__
// A fault interrupts a kernel's own line, where a handler may call what it likes.
extern "C" const char* __tsan_default_options() {
  return "report_signal_unsafe=0";
}
#endif

namespace troupe::kernels::cuda {

struct FunctionHandle {
  emulated::HostKernel kernel;
};

// Of one device.
struct ContextHandle {
  ContextHandle(const emulated::MachineOptions& of_machine, std::uint32_t seed)
      : options(of_machine), memory(options.memory), streams(seed) {}

  // Whether a launch of this kernel is the one that is to fail.
  bool fails(std::string_view kernel) {
    return kernel == options.failing_kernel && failing_launches++ == options.failing_launch;
  }
  const emulated::MachineOptions options;
  std::atomic<int> failing_launches{0};  // so far

  std::mutex mutex;  // of all that follows
  emulated::DeviceMemory memory;
  emulated::Streams streams;
  std::vector<std::unique_ptr<EventHandle>> events;
  Result failed = success;  // stays
  std::string fault;
};

namespace emulated {
namespace {

constexpr const char image[] = "kernels of the host";  // what stands for all images
constexpr KernelImage images_of_the_host[] = {{"host", image}};

std::vector<std::unique_ptr<ContextHandle>>* machine = nullptr;
thread_local Context in_use = nullptr;
thread_local ContextHandle* at_work = nullptr;

// A call that is about the device in use. A device that has failed answers nothing else any more.
template <class Call>
Result on_device(Call call) {
  if (!in_use) return invalid_value;
  const std::lock_guard lock(in_use->mutex);
  return in_use->failed != success ? in_use->failed : call(*in_use);
}

// Works until `done`, for at most so many steps.
template <class Done>
Result work(ContextHandle& device, std::uint32_t most, Done done) {
  Fault fault;
  at_work = &device;
  for (; most > 0 && !done(); --most)
    if (!device.streams.step(fault)) break;
  at_work = nullptr;
  const bool whole = device.memory.close();
  if (fault.result == success && !whole)
    fault = {illegal_address, "something was written behind an allocation"};
  if (fault.result == success) return done() ? success : not_ready;
  device.fault = fault.what;
  return device.failed = fault.result;
}

constexpr std::uint32_t without_end = ~std::uint32_t{0};

// Until `done`, or nothing that can run is left: what waits for other devices will.
template <class Done>
Result work_until(Done done) {
  for (;;) {
    bool goes_on = false;
    const Result result = on_device([&](ContextHandle& device) {
      const Result result = work(device, without_end, done);
      goes_on = result == not_ready && device.streams.wait_for_others();
      return result;
    });
    if (!goes_on) return result;
    std::this_thread::yield();
  }
}
Result work_all() {
  const Result result = work_until([] { return false; });
  return result == not_ready ? success : result;
}

// How far a device comes while it is asked whether it is done.
std::uint32_t a_little(ContextHandle& device) {
  return device.streams.random() % 200 + 1;
}

Result enqueue(Stream stream, std::span<const Piece> pieces, StreamHandle::Work work) {
  return on_device([&](ContextHandle& device) {
    if (!device.streams.known(stream)) return invalid_handle;
    for (const auto& [at, bytes, writes] : pieces)
      if (!device.memory.holds(at, bytes, writes)) return invalid_value;
    stream->work.push_back(std::move(work));
    return success;
  });
}
Result enqueue(Stream stream, std::initializer_list<Piece> pieces, std::function<Fault()> run) {
  return enqueue(stream, std::span(pieces.begin(), pieces.size()), {std::move(run)});
}

void* host_pointer(Address at) {
  return reinterpret_cast<void*>(at);
}

Fault run_grid(const Launch& launch, std::uint32_t seed) {
  for (unsigned z = 0; z < launch.grid.z; ++z)
    for (unsigned y = 0; y < launch.grid.y; ++y)
      for (unsigned x = 0; x < launch.grid.x; ++x) {
        Block block(launch, {x, y, z}, seed++);
        if (Fault fault = block.run(); fault.result != success) return fault;
      }
  return {};
}

// What a device touches is opened to it. A kernel that touches what it may not touch ends its block; whoever else does
// dies of it as ever.
struct sigaction usual;
void on_fault(int signal, siginfo_t* info, void* interrupted) {
  {
    const Unseen unseen;
    if (at_work != nullptr && at_work->memory.open(info->si_addr)) return;
  }
  if (Block* const block = Block::current(); block != nullptr) {
    // Nobody returns from here, who would do this; a sanitizer has blocked all signals.
    pthread_sigmask(SIG_SETMASK, &static_cast<const ucontext_t*>(interrupted)->uc_sigmask, nullptr);
    block->fail(illegal_address, "illegal address", std::uint64_t(info->si_addr));
  }
  sigaction(signal, &usual, nullptr);
}

void catch_faults() {
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  CHECK(sigaction(SIGSEGV, &action, &usual) == 0);
}

Result start(unsigned) {
  return success;
}
Result driver_version(int* version) {
  *version = 13000;
  return success;
}

struct Named {
  Result result;
  const char *name, *text;
};
constexpr Named results[] = {
    {success, "CUDA_SUCCESS", "no error"},
    {invalid_value, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {out_of_memory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {invalid_device, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {invalid_image, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {invalid_handle, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {not_found, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {not_ready, "CUDA_ERROR_NOT_READY", "device not ready"},
    {illegal_address, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {launch_failed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
};
const Named* find_result(Result result) {
  for (const Named& known : results)
    if (known.result == result) return &known;
  return nullptr;
}
Result error_name(Result result, const char** name) {
  const Named* const known = find_result(result);
  *name = known ? known->name : nullptr;
  return known ? success : invalid_value;
}
Result error_text(Result result, const char** text) {
  const Named* const known = find_result(result);
  *text = known ? known->text : nullptr;
  return known ? success : invalid_value;
}

Result count_devices(int* count) {
  *count = machine ? int(machine->size()) : 0;
  return success;
}
Result find_device(DeviceId* device, int ordinal) {
  if (!machine || ordinal < 0 || ordinal >= int(machine->size())) return invalid_device;
  *device = ordinal;
  return success;
}
Result device_name(char* name, int length, DeviceId) {
  std::strncpy(name, "fibers of the host", std::size_t(length) - 1);
  return success;
}
// Of another process it is another device.
Result device_uuid(DeviceUuid* uuid, DeviceId device) {
  const std::int64_t words[2] = {getpid(), device};
  std::memcpy(uuid->bytes, words, sizeof words);
  return success;
}
Result device_attribute(int* value, int attribute, DeviceId) {
  const bool can = attribute == memory_has_files || attribute == reads_host_memory_alone;
  *value = attribute == compute_capability_major ? 9 : can;
  return success;
}
Result bus_id(char* text, int length, DeviceId device) {
  std::snprintf(text, std::size_t(length), "0000:%02X:00.0", unsigned(device));
  return success;
}
Result retain_context(Context* context, DeviceId device) {
  *context = (*machine)[std::size_t(device)].get();
  return success;
}
Result release_context(DeviceId) {
  return success;
}
Result use_context(Context context) {
  in_use = context;
  return success;
}

Result memory(std::size_t* free, std::size_t* total) {
  return on_device([&](ContextHandle& device) {
    *free = device.memory.left();
    *total = device.memory.total();
    return success;
  });
}
Result allocate(Address* at, std::size_t bytes) {
  return on_device([&](ContextHandle& device) {
    if (bytes == 0) return invalid_value;
    *at = device.memory.allocate(bytes);
    return *at != 0 ? success : out_of_memory;
  });
}
// Waits for all that was enqueued, as the driver does.
Result free(Address at) {
  const Result result = work_all();
  return on_device([&](ContextHandle& device) { return device.memory.free(at) ? result : invalid_value; });
}

bool of_a_device(const MemoryKind& kind) {
  return kind.type == MemoryKind().type && kind.handles == memory_file && kind.of_windows == nullptr &&
         kind.place.type == MemoryPlace().type;
}
Result memory_granularity(std::size_t* bytes, const MemoryKind* kind, int which) {
  *bytes = DeviceMemory::granularity;
  return which == least_granularity && of_a_device(*kind) ? success : invalid_value;
}
Result create_memory(MemoryHandle* memory, std::size_t bytes, const MemoryKind* kind,
                     unsigned long long flags) {
  return on_device([&](ContextHandle& device) {
    if (bytes == 0 || bytes % DeviceMemory::granularity != 0 || flags != 0 || !of_a_device(*kind))
      return invalid_value;
    *memory = device.memory.create(bytes);
    return *memory != 0 ? success : out_of_memory;
  });
}
Result release_memory(MemoryHandle memory) {
  return on_device(
      [&](ContextHandle& device) { return device.memory.release(memory) ? success : invalid_value; });
}
Result export_memory(void* file, MemoryHandle memory, int handle, unsigned long long flags) {
  return on_device([&](ContextHandle& device) {
    FileDescriptor exported = device.memory.exported(memory);
    if (!exported || handle != memory_file || flags != 0) return invalid_value;
    *static_cast<int*>(file) = exported.release();
    return success;
  });
}
Result import_memory(MemoryHandle* memory, void* file, int handle) {
  return on_device([&](ContextHandle& device) {
    if (handle != memory_file) return invalid_value;
    *memory = device.memory.import(int(reinterpret_cast<std::uintptr_t>(file)));
    return *memory != 0 ? success : invalid_value;
  });
}
Result reserve_addresses(Address* at, std::size_t bytes, std::size_t alignment, Address wish,
                         unsigned long long flags) {
  return on_device([&](ContextHandle& device) {
    if (alignment != 0 || wish != 0 || flags != 0) return invalid_value;
    *at = device.memory.reserve(bytes);
    return *at != 0 ? success : invalid_value;
  });
}
Result free_addresses(Address at, std::size_t bytes) {
  return on_device(
      [&](ContextHandle& device) { return device.memory.unreserve(at, bytes) ? success : invalid_value; });
}
Result map_memory(Address at, std::size_t bytes, std::size_t offset, MemoryHandle memory,
                  unsigned long long flags) {
  return on_device([&](ContextHandle& device) {
    return offset == 0 && flags == 0 && device.memory.map(at, bytes, memory) ? success : invalid_value;
  });
}
Result unmap_memory(Address at, std::size_t bytes) {
  return on_device(
      [&](ContextHandle& device) { return device.memory.unmap(at, bytes) ? success : invalid_value; });
}
Result set_access(Address at, std::size_t bytes, const MemoryAccess* access, std::size_t count) {
  return on_device([&](ContextHandle& device) {
    const bool known = access->access == access_to_read || access->access == access_to_write;
    return count == 1 && known && device.memory.allow(at, bytes, access->access) ? success : invalid_value;
  });
}
// Page-locked memory of the host, of all devices.
class PinnedMemory {
 public:
  void* allocate(std::size_t bytes) {
    auto memory = std::make_unique<std::byte[]>(bytes);
    std::memset(memory.get(), 0xff, bytes);
    void* const at = memory.get();
    const std::lock_guard lock(mutex_);
    pieces_.emplace(at, Piece{std::move(memory), bytes});
    return at;
  }
  void free(void* at) {
    const std::lock_guard lock(mutex_);
    CHECK(pieces_.erase(at) == 1, "what was not page-locked is freed");
  }
  bool holds(const void* at, std::size_t bytes) const {
    const std::lock_guard lock(mutex_);
    const auto next = pieces_.upper_bound(at);
    if (next == pieces_.begin()) return false;
    const auto& [begin, piece] = *std::prev(next);
    return static_cast<const std::byte*>(at) + bytes <= static_cast<const std::byte*>(begin) + piece.bytes;
  }

 private:
  struct Piece {
    std::unique_ptr<std::byte[]> memory;
    std::size_t bytes;
  };
  mutable std::mutex mutex_;
  std::map<const void*, Piece> pieces_;
};
PinnedMemory pinned;

Result allocate_pinned(void** at, std::size_t bytes, unsigned) {
  *at = pinned.allocate(bytes);
  return success;
}
Result free_pinned(void* at) {
  const Result result = work_all();
  pinned.free(at);  // a device that has failed touches it no more
  return result;
}

Result register_host(void* at, std::size_t bytes, unsigned flags) {
  return on_device([&](ContextHandle& device) {
    const bool known = flags == host_mapped || flags == (host_mapped | host_read_only);
    const bool writes = (flags & host_read_only) == 0;
    return known && device.memory.map_host(at, bytes, writes) ? success : invalid_value;
  });
}
Result unregister_host(void* at) {
  const Result result = work_all();
  return on_device(
      [&](ContextHandle& device) { return device.memory.unmap_host(at) ? result : invalid_value; });
}
Result mapped_address(Address* at, void* host, unsigned flags) {
  return on_device([&](ContextHandle& device) {
    *at = flags == 0 ? device.memory.address_of_host(host) : 0;
    return *at != 0 ? success : invalid_value;
  });
}

Result copy_in(Address to, const void* from, std::size_t bytes, Stream stream) {
  return enqueue(stream, {{to, bytes, true}}, [=] {
    std::memcpy(host_pointer(to), from, bytes);
    return Fault();
  });
}
// To other memory of the host the driver would copy at once, and let the caller wait for all that is before it.
Result copy_out(void* to, Address from, std::size_t bytes, Stream stream) {
  if (!pinned.holds(to, bytes)) return invalid_value;
  return enqueue(stream, {{from, bytes}}, [=] {
    std::memcpy(to, host_pointer(from), bytes);
    return Fault();
  });
}
Result copy(Address to, Address from, std::size_t bytes, Stream stream) {
  return enqueue(stream, {{to, bytes, true}, {from, bytes}}, [=] {
    std::memcpy(host_pointer(to), host_pointer(from), bytes);
    return Fault();
  });
}
Result fill(Address at, unsigned char byte, std::size_t bytes, Stream stream) {
  return enqueue(stream, {{at, bytes, true}}, [=] {
    std::memset(host_pointer(at), byte, bytes);
    return Fault();
  });
}

Result create_stream(Stream* stream, unsigned) {
  return on_device([&](ContextHandle& device) {
    *stream = device.streams.create();
    return success;
  });
}
Result wait_for_stream(Stream stream) {
  const Result known = on_device(
      [&](ContextHandle& device) { return device.streams.known(stream) ? success : invalid_handle; });
  return known == success ? work_until([&] { return stream->work.empty(); }) : known;
}
Result destroy_stream(Stream stream) {
  const Result result = wait_for_stream(stream);
  if (in_use) {
    const std::lock_guard lock(in_use->mutex);
    in_use->streams.destroy(stream);
  }
  return result;
}
Result query_stream(Stream stream) {
  return on_device([&](ContextHandle& device) {
    if (!device.streams.known(stream)) return invalid_handle;
    return work(device, a_little(device), [&] { return stream->work.empty(); });
  });
}
Result run_on_host(Stream stream, void (*function)(void*), void* argument) {
  return enqueue(stream, {}, [=] {
    function(argument);
    return Fault{};
  });
}
Result create_event(Event* event, unsigned) {
  return on_device([&](ContextHandle& device) {
    *event = device.events.emplace_back(std::make_unique<EventHandle>()).get();
    return success;
  });
}
// Its memory stays as long as the device, for work that still mentions it.
Result destroy_event(Event) {
  return success;
}
Result record_event(Event event, Stream stream) {
  return on_device([&](ContextHandle& device) {
    if (!device.streams.known(stream)) return invalid_handle;
    device.streams.record(event, stream);
    return success;
  });
}
Result query_event(Event event) {
  return on_device([&](ContextHandle& device) {
    return work(device, a_little(device), [&] { return event->happened == event->enqueued; });
  });
}

Result load_module(Module* module, const void* data) {
  if (data != image) return invalid_image;
  *module = reinterpret_cast<Module>(const_cast<char*>(image));
  return success;
}
Result unload_module(Module) {
  return success;
}
Result find_function(Function* function, Module, const char* name) {
  static std::mutex mutex;
  static std::map<std::string_view, FunctionHandle> functions;
  const auto known = known_kernels().find(name);
  if (known == known_kernels().end()) return not_found;
  const std::lock_guard lock(mutex);
  *function = &functions.try_emplace(known->first, FunctionHandle{known->second}).first->second;
  return success;
}
Result launch(Function function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
              unsigned block_y, unsigned block_z, unsigned shared_bytes, Stream stream, void** parameters,
              void** extra) {
  const HostKernel kernel = function->kernel;
  const bool empty = grid_x == 0 || grid_y == 0 || grid_z == 0;
  if (empty || grid_y > 65535 || grid_z > 65535 || extra != nullptr || shared_bytes != 0)
    return invalid_value;
  if (int(block_x) != kernel.threads || block_y != 1 || block_z != 1) return invalid_value;
  const auto* const given = static_cast<const std::byte*>(parameters[0]);
  const std::vector<std::byte> arguments(given, given + kernel.argument_bytes);
  const Index grid{grid_x, grid_y, grid_z}, block{block_x, 1, 1};
  const bool fails = in_use && in_use->fails(kernel.name);
  return enqueue(stream, {}, [=] {
    if (fails) return Fault{in_use->options.failure, "as the test wants it"};
    return run_grid({kernel.name, kernel.run, arguments.data(), grid, block}, stream->random());
  });
}

}  // namespace

Machine::Machine(const MachineOptions& options) {
  CHECK(machine == nullptr, "two emulated machines at a time");
  static const bool caught [[maybe_unused]] = (catch_faults(), true);
  machine = new std::vector<std::unique_ptr<ContextHandle>>;
  for (int i = 0; i < options.devices; ++i)
    machine->push_back(std::make_unique<ContextHandle>(options, options.seed + std::uint32_t(i)));
}

Machine::~Machine() {
  in_use = nullptr;
  delete std::exchange(machine, nullptr);
}

const DeviceCalls& Machine::calls() {
#define TROUPE_EMULATED_CALL(name, symbol, ...) .name = name,
  static const DeviceCalls calls{TROUPE_DEVICE_CALLS(TROUPE_EMULATED_CALL)};
#undef TROUPE_EMULATED_CALL
  return calls;
}

std::span<const KernelImage> Machine::images() {
  return images_of_the_host;
}

Result Machine::enqueue(Stream stream, std::span<const Piece> pieces, std::function<bool()> ready,
                        std::function<void()> run) {
  const auto without_fault = [run = std::move(run)] {
    run();
    return Fault();
  };
  return emulated::enqueue(stream, pieces, {without_fault, std::move(ready), /*of_others=*/true});
}

bool Machine::has(Stream stream) {
  return std::ranges::any_of(*machine, [&](const auto& device) {
    const std::lock_guard lock(device->mutex);
    return device->streams.known(stream);
  });
}

std::string Machine::fault(int device) const {
  return (*machine)[std::size_t(device)]->fault;
}

}  // namespace emulated
}  // namespace troupe::kernels::cuda
