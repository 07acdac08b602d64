#include "kernels/panels.hpp"

#include <cstring>

namespace troupe::kernels {
namespace {

// Copies so many units of some bytes, which lie close together, to places that are a panel's rows apart.
template <std::size_t unit>
void spread(const std::byte* source, std::int64_t count, std::byte* target) {
  for (std::int64_t i = 0; i < count; ++i)
    std::memcpy(target + std::size_t(i * panel_rows) * unit, source + std::size_t(i) * unit, unit);
}

}  // namespace

void pack_row(const Panels& panels, std::int64_t row, const std::byte* source, std::byte* target) {
  const std::size_t size = size_of(panels.dtype);
  const std::int64_t together = columns_together(panels.dtype), groups = panels.cols / together;
  std::byte* const first = target + std::size_t(panels.index(row, 0)) * size;
  if (std::size_t(together) * size == 2)
    spread<2>(source, groups, first);
  else
    spread<4>(source, groups, first);
  for (std::int64_t c = groups * together; c < panels.cols; ++c)
    std::memcpy(target + std::size_t(panels.index(row, c)) * size, source + std::size_t(c) * size, size);
}

void pack_column(const Panels& panels, std::int64_t rows, std::int64_t column, const std::byte* source,
                 std::byte* target) {
  const std::size_t size = size_of(panels.dtype);
  for (std::int64_t r = 0; r < rows; ++r)
    std::memcpy(target + std::size_t(panels.index(r, column)) * size, source + std::size_t(r) * size, size);
}

}  // namespace troupe::kernels
