// A device that computes has failed for good: every further call fails too, so that whoever computes there ends and
// begins anew in another process. What is said of it goes from the call that failed to the node, which outlives it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "runtime/base/error.hpp"

namespace troupe {

enum class DeviceFaultKind : std::uint8_t {
  none,
  illegal_address,  // a kernel read or wrote where it may not
  launch_failed,    // a kernel gave up, or could not begin
  hang,             // a kernel did not end in time
  ecc,              // memory lost bits that it could not mend
  nvlink,           // a link between GPUs did
  lost,             // the device is gone
  other,
};
constexpr const char* to_string(DeviceFaultKind kind) {
  constexpr std::array names{"none", "illegal_address", "launch_failed", "hang",
                             "ecc",  "nvlink",          "lost",          "other"};
  return names[std::size_t(kind)];
}

struct DeviceFault {
  DeviceFaultKind kind = DeviceFaultKind::none;
  std::string kernels{};  // those of which one failed, or which the device is at; as far as that is known
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, DeviceFault& x) {
  return f(x.kind, x.kernels);
}

class DeviceError : public Error {
 public:
  DeviceError(DeviceFault what, std::string_view text, std::string_view where, std::string_view remedy = {})
      : Error(text, where, remedy), fault(std::move(what)) {}

  const DeviceFault fault;
};

// A DeviceFault in memory that another process reads, also when this one has ended; without a fault, what the device is
// at. Written by one thread. Who reads while it is written may see a mix of two texts.
class DeviceFaultNote {
 public:
  // The device is at these kernels, or, of none, at nothing.
  void at(std::string_view kernels) {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      std::uint64_t word = 0;
      const std::string_view part = kernels.substr(std::min(i * sizeof word, kernels.size()), sizeof word);
      std::memcpy(&word, part.data(), part.size());
      words_[i].store(word, std::memory_order_relaxed);
    }
  }
  void write(const DeviceFault& fault) {
    at(fault.kernels);
    kind_.store(fault.kind, std::memory_order_release);
  }
  DeviceFault read() const {
    const DeviceFaultKind kind = kind_.load(std::memory_order_acquire);
    std::array<char, std::tuple_size_v<Words> * sizeof(std::uint64_t) + 1> text{};
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const std::uint64_t word = words_[i].load(std::memory_order_relaxed);
      std::memcpy(&text[i * sizeof word], &word, sizeof word);
    }
    return {kind, text.data()};
  }

 private:
  using Words = std::array<std::atomic<std::uint64_t>, 20>;  // of a text that ends with its first zero

  std::atomic<DeviceFaultKind> kind_{DeviceFaultKind::none};
  Words words_{};
};

}  // namespace troupe
