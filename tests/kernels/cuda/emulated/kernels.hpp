// The kernels that are compiled for the host, by name: what the emulated GPU loads instead of an image. Filled
// before main; any thread reads.
#pragma once

#include <cstddef>
#include <map>
#include <string_view>

namespace troupe::kernels::cuda::emulated {

struct HostKernel {
  const char* name;
  int threads;  // of a block
  std::size_t argument_bytes;
  void (*run)(const void* arguments);
};

inline std::map<std::string_view, HostKernel>& known_kernels() {
  static std::map<std::string_view, HostKernel> kernels;
  return kernels;
}

struct KnownKernel {
  KnownKernel(const char* name, int threads, std::size_t argument_bytes, void (*run)(const void*)) {
    known_kernels()[name] = {name, threads, argument_bytes, run};
  }
};

}  // namespace troupe::kernels::cuda::emulated
