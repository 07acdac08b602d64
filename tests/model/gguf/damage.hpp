// Damages the bytes of a file, most of all in its header. What reads it may refuse it or read it, and nothing else.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>

namespace troupe::model {

class Damage {
 public:
  explicit Damage(unsigned seed) : bits_(seed) {}

  void apply(std::string& file, std::size_t header) {
    for (std::uint32_t i = 0; i <= below(3); ++i) one(file, header);
  }

 private:
  std::uint32_t below(std::size_t n) { return n == 0 ? 0 : std::uint32_t(bits_() % n); }
  void one(std::string& file, std::size_t header) {
    // Most of what can be wrong is in the header.
    const std::size_t at = below(below(8) == 0 ? file.size() : std::min(header, file.size()));
    switch (below(6)) {
      case 0:
        file[at] = char(bits_());
        break;
      case 1:
        file[at] = char(std::uint8_t(file[at]) ^ 1u << below(8));
        break;
      case 2: {  // an integer that is large, or one too many
        const std::uint64_t values[]{UINT64_MAX, std::uint64_t(INT64_MAX), std::uint64_t(1) << 32, 0, 1,
                                     bits_()};
        const std::size_t size = below(2) == 0 ? 8 : 4;
        if (at + size <= file.size()) std::memcpy(&file[at], &values[below(6)], size);
        break;
      }
      case 3:
        file.resize(at);
        break;
      case 4:
        file.erase(at, below(40));
        break;
      default:
        file.insert(at, file.substr(below(file.size()), below(40)));
    }
    if (file.empty()) file = "G";
  }

  std::mt19937 bits_;
};

}  // namespace troupe::model
