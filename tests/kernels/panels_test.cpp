#include "kernels/panels.hpp"

#include <rapidcheck/gtest.h>

#include <cstring>
#include <set>
#include <vector>

namespace troupe::kernels {
namespace {

TEST(Panels, RowsOfAColumnLieSideBySide) {
  const Panels plain{DType::f32, 5}, paired{DType::f8_e4m3, 5};
  EXPECT_EQ(plain.panel_size(), 16 * 5 * 4);
  EXPECT_EQ(plain.offset(3, 4), (4 * 16 + 3) * 4);
  EXPECT_EQ(plain.offset(18, 4), (16 * 5 + 4 * 16 + 2) * 4);
  EXPECT_EQ(paired.panel_size(), 16 * 6);
  EXPECT_EQ(paired.offset(3, 4), 2 * 32 + 2 * 3);
  EXPECT_EQ(paired.offset(3, 3), 32 + 2 * 3 + 1);
  EXPECT_EQ(paired.offset(18, 0), 16 * 6 + 2 * 2);
}

TEST(Panels, BytesOfBlocksLieSideBySide) {
  const Panels panels{DType::q4_0, 40};  // two blocks of 18 bytes
  EXPECT_EQ(panels.panel_size(), 16 * 36);
  EXPECT_EQ(panels.offset(3, 31), 3);
  EXPECT_EQ(panels.offset(3, 32), 18 * 16 + 3);
  EXPECT_EQ(panels.offset(18, 0), 16 * 36 + 2);
  std::vector<std::byte> row(36), packed(panels.size(18));
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = std::byte(i + 1);
  pack_row(panels, 17, row.data(), packed.data());
  for (std::size_t i = 0; i < packed.size(); ++i)
    EXPECT_EQ(packed[i], i >= 16 * 36 && i % 16 == 1 ? row[(i - 16 * 36) / 16] : std::byte{}) << i;
}

RC_GTEST_PROP(Panels, EachElementHasAPlaceOfItsOwn, ()) {
  const DType type = *rc::gen::element(DType::f32, DType::f16, DType::bf16, DType::f8_e4m3);
  const std::int64_t rows = *rc::gen::inRange(0, 50), cols = *rc::gen::inRange(0, 50);
  const Panels panels{type, cols};
  std::set<std::size_t> places;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c) {
      const std::size_t place = panels.offset(r, c);
      RC_ASSERT(place + size_of(type) <= panels.size(rows));
      RC_ASSERT(place % size_of(type) == 0);
      RC_ASSERT(places.insert(place).second);
    }
}

RC_GTEST_PROP(Panels, RowsAndColumnsArePackedToTheirPlaces, ()) {
  const DType type = *rc::gen::element(DType::f32, DType::f16, DType::bf16, DType::f8_e4m3);
  const std::int64_t rows = *rc::gen::inRange(1, 40), cols = *rc::gen::inRange(1, 40);
  const Panels panels{type, cols};
  const std::size_t size = size_of(type);
  std::vector<std::byte> elements(std::size_t(rows * cols) * size), turned(elements.size());
  for (std::size_t i = 0; i < elements.size(); ++i) elements[i] = std::byte(i * 167 >> 3);
  std::vector<std::byte> by_row(panels.size(rows)), by_column(by_row.size()), expected(by_row.size());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c) {
      const std::byte* const from = &elements[std::size_t(r * cols + c) * size];
      std::memcpy(&expected[panels.offset(r, c)], from, size);
      std::memcpy(&turned[std::size_t(c * rows + r) * size], from, size);
    }
  for (std::int64_t r = 0; r < rows; ++r)
    pack_row(panels, r, &elements[std::size_t(r * cols) * size], by_row.data());
  for (std::int64_t c = 0; c < cols; ++c)
    pack_column(panels, rows, c, &turned[std::size_t(c * rows) * size], by_column.data());
  RC_ASSERT(by_row == expected);
  RC_ASSERT(by_column == expected);
}

}  // namespace
}  // namespace troupe::kernels
