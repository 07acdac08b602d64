#include "model/output/markers.hpp"

#include <algorithm>

namespace troupe::model {
namespace {

// Length of the longest end of text that is a proper beginning of marker.
std::size_t overlap(std::string_view text, std::string_view marker) {
  for (std::size_t n = std::min(text.size(), marker.size() - 1); n > 0; --n)
    if (text.ends_with(marker.substr(0, n))) return n;
  return 0;
}

}  // namespace

MarkerScan scan_markers(std::string_view text, std::span<const Marker> markers) {
  MarkerScan scan{text.size(), nullptr};
  std::size_t held = 0;
  for (const Marker& marker : markers) {
    if (const auto at = text.find(marker.text); at < scan.text) scan = {at, &marker};
    held = std::max(held, overlap(text, marker.text));
  }
  if (!scan.marker) scan.text -= held;
  return scan;
}

}  // namespace troupe::model
