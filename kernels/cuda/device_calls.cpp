#include "kernels/cuda/device_calls.hpp"

#include <dlfcn.h>

#include <map>

#include "kernels/cuda/images.hpp"
#include "kernels/cuda/nvml_calls.hpp"
#include "runtime/base/error.hpp"

namespace troupe::kernels::cuda {
namespace {

constexpr const char* driver_library = "libcuda.so.1";
constexpr int least_version = 13000;  // of the interface that the kernels of CUDA 13 are made for

std::string version_text(int version) {  // 13010 is 13.1
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string architecture_of(const DeviceCalls& calls, DeviceId device) {
  int major = 0, minor = 0;
  require(calls, calls.device_attribute(&major, compute_capability_major, device), "asking a GPU what it is");
  require(calls, calls.device_attribute(&minor, compute_capability_minor, device), "asking a GPU what it is");
  return "sm_" + std::to_string(major) + std::to_string(minor);
}

std::string devices_of(const DeviceCalls& calls) {
  int count = 0;
  require(calls, calls.count_devices(&count), "counting GPUs");
  std::map<std::string, int> kinds;
  for (int i = 0; i < count; ++i) {
    DeviceId device = 0;
    char name[128] = {};
    require(calls, calls.find_device(&device, i), "finding a GPU");
    require(calls, calls.device_name(name, sizeof name, device), "asking a GPU for its name");
    ++kinds[name + (" (" + architecture_of(calls, device) + ")")];
  }
  std::string text;
  for (const auto& [kind, n] : kinds) text += (text.empty() ? "" : ", ") + std::to_string(n) + " x " + kind;
  return text.empty() ? "no GPU" : text;
}

std::string kernels_of_this_program() {
  if (kernel_images().empty()) return "this program was built without kernels for GPUs";
  return "kernels for sm_" + std::string(kernel_architectures());
}

}  // namespace

std::string describe(const DeviceCalls& calls, Result result) {
  const char *name = nullptr, *text = nullptr;
  calls.error_name(result, &name);
  calls.error_text(result, &text);
  return (name ? name : "error " + std::to_string(result)) + std::string(": ") + (text ? text : "unknown");
}

DeviceFaultKind fault_of(Result result) {
  switch (result) {
    case success:
      return DeviceFaultKind::none;
    case illegal_address:
    case misaligned_address:
    case invalid_address_space:
      return DeviceFaultKind::illegal_address;
    case launch_out_of_resources:
    case device_assert:
    case hardware_stack_error:
    case illegal_instruction:
    case invalid_pc:
    case launch_failed:
      return DeviceFaultKind::launch_failed;
    case launch_timeout:
      return DeviceFaultKind::hang;
    case ecc_uncorrectable:
    case contained:
      return DeviceFaultKind::ecc;
    case nvlink_uncorrectable:
      return DeviceFaultKind::nvlink;
    case device_unavailable:
    case no_device:
    case unknown:  // what a GPU that fell off the bus gives
      return DeviceFaultKind::lost;
    default:
      return DeviceFaultKind::other;
  }
}

void require(const DeviceCalls& calls, Result result, std::string_view doing) {
  if (result != success) throw DeviceError({fault_of(result)}, describe(calls, result), doing);
}

DeviceCalls load_device_calls(const std::string& library) {
  // Never closed: its functions stay in the table, and the driver has threads of its own.
  void* const loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!loaded)
    throw Error("NVIDIA's driver is not installed: " + std::string(dlerror()), library,
                "install the driver, or serve with --device cpu");
  DeviceCalls calls;
  const auto find = [&]<class Call>(Call*& call, const char* symbol) {
    call = reinterpret_cast<Call*>(dlsym(loaded, symbol));
    if (!call)
      throw Error("the driver has no " + std::string(symbol), library,
                  "install a driver for CUDA " + version_text(least_version) + " or later");
  };
#define TROUPE_FIND_CALL(name, symbol, ...) find(calls.name, #symbol);
  TROUPE_DEVICE_CALLS(TROUPE_FIND_CALL)
#undef TROUPE_FIND_CALL
  if (const Result started = calls.start(0); started != success)  // no device is at fault
    throw Error("NVIDIA's driver does not start: " + describe(calls, started), library,
                "look at nvidia-smi and CUDA_VISIBLE_DEVICES, or serve with --device cpu");
  int version = 0;
  require(calls, calls.driver_version(&version), "asking the driver for its version");
  if (version < least_version)
    throw Error("the driver is for CUDA " + version_text(version), library,
                "install a driver for CUDA " + version_text(least_version) + " or later");
  return calls;
}

const DeviceCalls& driver_calls() {
  static const DeviceCalls calls = load_device_calls(driver_library);
  return calls;
}

FoundDevices find_devices() {
  FoundDevices found{.kernels = kernels_of_this_program()};
  try {
    const DeviceCalls& calls = driver_calls();
    int version = 0;
    require(calls, calls.driver_version(&version), "asking the driver for its version");
    found.cuda = version_text(version);
    found.gpus = devices_of(calls);
    char text[80] = {};  // NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE
    if (const auto* const nvml = nvml_calls();
        nvml && nvml->driver_version(text, sizeof text) == nvml_success)
      found.driver = text;
  } catch (const Error& missing) {
    found.missing = missing.what();
  }
  return found;
}

}  // namespace troupe::kernels::cuda
