// What every target is given, as text. A target crashes, hangs, or throws what nobody expects: nothing else counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace troupe::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace troupe::fuzz
