// A tensor as a file holds it. Plain data; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/tensor.hpp"
#include "model/config.hpp"

namespace troupe::model {

// "F32", "BF16", "Q4_K", ...
std::string_view type_name(kernels::DType dtype);
// Nothing for a name that there is not.
std::optional<kernels::DType> type_named(std::string_view name);
// "[3, 4]", for messages.
std::string shape_text(std::span<const std::int64_t> shape);

// Of F32, BF16 or F16 (CHECKed), which is exact. at: unaligned.
float to_float(kernels::DType dtype, const std::byte* at);

// Makes rows in blocks of what files hold in several tensors: see model/checkpoint/quantised.
class PackedRows {
 public:
  virtual ~PackedRows() = default;
  // The blocks of a row that have its stored columns [first, first + count); first begins a block.
  virtual void write(std::int64_t row, std::int64_t first, std::int64_t count, std::byte* out) const = 0;
  // The column that each stored one is; empty: they are in order.
  virtual std::span<const std::int32_t> order() const { return {}; }
};

struct StoredTensor {
  kernels::DType dtype = kernels::DType::f32;
  std::vector<std::int64_t> shape{};
  std::span<const std::byte> bytes{};          // unaligned; valid as long as the file is mapped
  std::shared_ptr<const PackedRows> packed{};  // of what has no bytes of its own
  // Of a type that is scaled: the scales are the tensor of its name and "_scale_inv".
  std::optional<Fp8Blocks> scale_blocks{};
  std::shared_ptr<const void> memory{};  // that bytes are in, if it is no file's
  // Rows of a head, of which file order has row i of the first half and row i of the second one side by side, as GGUF's
  // Llama has what is rotated; 0: the order is the published one.
  std::int64_t paired_rows = 0;

  std::int64_t elements() const {
    std::int64_t product = 1;
    for (const std::int64_t extent : shape) product *= extent;
    return product;
  }
  // In bytes.
  std::size_t size() const;
  std::span<const std::int32_t> order() const {
    return packed ? packed->order() : std::span<const std::int32_t>();
  }
  // Of a published row the bytes of the stored columns [first, first + count), from the block on that has the first; in
  // room, if they had to be made.
  std::span<const std::byte> row(std::int64_t row, std::int64_t first, std::int64_t count,
                                 std::vector<std::byte>& room) const;
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
