// A tensor as a file holds it. Plain data; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/tensor.hpp"

namespace troupe::model {

// "F32", "BF16", "Q4_K", ...
std::string_view type_name(kernels::DType dtype);
// Nothing for a name that there is not.
std::optional<kernels::DType> type_named(std::string_view name);
// "[3, 4]", for messages.
std::string shape_text(std::span<const std::int64_t> shape);

struct StoredTensor {
  kernels::DType dtype = kernels::DType::f32;
  std::vector<std::int64_t> shape{};
  std::span<const std::byte> bytes{};  // unaligned; valid as long as the file is mapped
  // Rows of a head, of which file order has row i of the first half and row i of the second one side by side, as GGUF's
  // Llama has what is rotated; 0: the order is the published one.
  std::int64_t paired_rows = 0;

  std::int64_t elements() const {
    std::int64_t product = 1;
    for (const std::int64_t extent : shape) product *= extent;
    return product;
  }
  // Where in the file's order a row stands.
  std::int64_t stored_row(std::int64_t row) const {
    if (paired_rows == 0) return row;
    const std::int64_t in_head = row % paired_rows, half = paired_rows / 2;
    return row - in_head + in_head % half * 2 + in_head / half;
  }
  // Which row stands there.
  std::int64_t published_row(std::int64_t stored) const {
    if (paired_rows == 0) return stored;
    const std::int64_t in_head = stored % paired_rows;
    return stored - in_head + in_head % 2 * (paired_rows / 2) + in_head / 2;
  }
};

}  // namespace troupe::model
