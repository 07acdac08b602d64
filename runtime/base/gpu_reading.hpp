// What a GPU of a rank says of itself, whoever works there. Plain values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace troupe {

struct GpuReading {
  static constexpr double unknown = -1;

  std::int32_t rank = 0;
  std::string uuid{}, name{};
  bool answers = false;                             // otherwise nothing of what follows is known
  std::uint64_t memory_total = 0, memory_used = 0;  // bytes
  double utilization = unknown;                     // of its time in which a kernel ran, 0 to 1
  double celsius = unknown, watts = unknown;
  std::uint64_t ecc_corrected = 0, ecc_uncorrected = 0;  // since the driver was loaded
  std::map<std::uint64_t, std::uint64_t> xids{};         // how often each was seen, since its node began
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, GpuReading& x) {
  return f(x.rank, x.uuid, x.name, x.answers, x.memory_total, x.memory_used, x.utilization, x.celsius,
           x.watts, x.ecc_corrected, x.ecc_uncorrected, x.xids);
}

}  // namespace troupe
