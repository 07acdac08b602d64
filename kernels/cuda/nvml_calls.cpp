#include "kernels/cuda/nvml_calls.hpp"

#include <dlfcn.h>

#include <optional>

namespace troupe::kernels::cuda {
namespace {

// Never closed: its functions stay in the table.
std::optional<NvmlCalls> load() {
  void* const loaded = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!loaded) return std::nullopt;
  NvmlCalls calls;
  bool whole = true;
  const auto find = [&]<class Call>(Call*& call, const char* symbol) {
    call = reinterpret_cast<Call*>(dlsym(loaded, symbol));
    whole &= call != nullptr;
  };
#define TROUPE_FIND_CALL(name, symbol, ...) find(calls.name, #symbol);
  TROUPE_NVML_CALLS(TROUPE_FIND_CALL)
#undef TROUPE_FIND_CALL
  if (!whole || calls.start() != nvml_success) return std::nullopt;
  return calls;
}

}  // namespace

const NvmlCalls* nvml_calls() {
  static const std::optional<NvmlCalls> calls = load();
  return calls ? &*calls : nullptr;
}

}  // namespace troupe::kernels::cuda
