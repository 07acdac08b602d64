// Finds the markers of an output's parts in text that arrives in pieces. Any thread.
#pragma once

#include <span>
#include <string_view>

namespace troupe::model {

struct Marker {
  std::string_view text;
  int next;  // the state that its reader is in behind it
};

// What the beginning of a text is: `text` bytes of text and then the marker, the first that stands there; or,
// without a marker, text and then what may be the beginning of one. No marker stands in another but at its end.
struct MarkerScan {
  std::size_t text = 0;
  const Marker* marker = nullptr;
};
MarkerScan scan_markers(std::string_view text, std::span<const Marker> markers);

}  // namespace troupe::model
