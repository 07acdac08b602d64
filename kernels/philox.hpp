// Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011): a
// random function of (counter, key), without state. Thread-safe.
#pragma once

#include <array>
#include <cstdint>

namespace troupe::kernels {

constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                              std::array<std::uint32_t, 2> key) {
  constexpr int rounds = 10;
  for (int round = 0; round < rounds; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {std::uint32_t(b >> 32) ^ counter[1] ^ key[0], std::uint32_t(b),
               std::uint32_t(a >> 32) ^ counter[3] ^ key[1], std::uint32_t(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

// The draw of one output position: uniform in [0, 1), 53 bits.
constexpr double uniform_draw(std::uint64_t seed, std::uint32_t choice, std::uint64_t output_position) {
  const auto bits = philox({std::uint32_t(output_position), std::uint32_t(output_position >> 32), choice, 0},
                           {std::uint32_t(seed), std::uint32_t(seed >> 32)});
  return double((std::uint64_t{bits[1]} << 32 | bits[0]) >> 11) * 0x1p-53;
}

}  // namespace troupe::kernels
