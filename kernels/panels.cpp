#include "kernels/panels.hpp"

#include <cstring>

namespace troupe::kernels {
namespace {

// Copies so many pieces of some bytes, which lie close together, to places that are a panel's rows apart.
template <std::size_t piece>
void spread(const std::byte* source, std::size_t count, std::byte* target) {
  for (std::size_t i = 0; i < count; ++i)
    std::memcpy(target + i * std::size_t(panel_rows) * piece, source + i * piece, piece);
}

}  // namespace

void pack_row(const Panels& panels, std::int64_t row, const std::byte* source, std::byte* target) {
  const std::size_t piece = panels.piece(), bytes = row_bytes(panels.dtype, panels.cols);
  if (bytes == 0) return;  // and no address
  std::byte* const first = target + panels.offset(row, 0);
  if (piece == 1)
    spread<1>(source, bytes, first);
  else if (piece == 2)
    spread<2>(source, bytes / 2, first);
  else
    spread<4>(source, bytes / 4, first);
  // Of an odd column that ends the row.
  const std::size_t whole = bytes / piece * piece;
  std::memcpy(first + whole * std::size_t(panel_rows), source + whole, bytes - whole);
}

void pack_column(const Panels& panels, std::int64_t rows, std::int64_t column, const std::byte* source,
                 std::byte* target) {
  CHECK(!in_blocks(panels.dtype), "a column of blocks");
  const std::size_t size = size_of(panels.dtype);
  for (std::int64_t r = 0; r < rows; ++r)
    std::memcpy(target + panels.offset(r, column), source + std::size_t(r) * size, size);
}

}  // namespace troupe::kernels
