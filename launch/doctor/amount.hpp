// Numbers as findings show them. Any thread.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace troupe::launch::doctor {

// "12.5 GiB"
inline std::string amount(std::uint64_t bytes) {
  constexpr std::pair<double, const char*> units[] = {{double(1ull << 40), "TiB"},
                                                      {double(1 << 30), "GiB"},
                                                      {double(1 << 20), "MiB"},
                                                      {double(1 << 10), "KiB"}};
  char text[32];
  for (const auto& [size, unit] : units)
    if (double(bytes) >= size) {
      std::snprintf(text, sizeof text, "%.4g %s", double(bytes) / size, unit);
      return text;
    }
  return std::to_string(bytes) + " bytes";
}

// "0.25 s", "12 ms"
inline std::string time_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, seconds < 0.1 ? "%.3g ms" : "%.3g s",
                seconds < 0.1 ? seconds * 1e3 : seconds);
  return text;
}

// "12.5%"
inline std::string percent(double part) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g%%", part * 100);
  return text;
}

// "12", or "12.5"
inline std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

}  // namespace troupe::launch::doctor
