// A number of bytes as a setting: written and shown as 512M or 4G.
#pragma once

#include <cstddef>

namespace troupe::config {

struct ByteSize {
  std::size_t bytes = 0;
  friend bool operator==(const ByteSize&, const ByteSize&) = default;
};

}  // namespace troupe::config
