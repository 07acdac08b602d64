#include "kernels/panels.hpp"

#include <rapidcheck/gtest.h>

#include <cstring>
#include <set>
#include <vector>

namespace troupe::kernels {
namespace {

TEST(Panels, RowsOfAColumnLieSideBySide) {
  const Panels plain{DType::f32, 5}, paired{DType::f8_e4m3, 5};
  EXPECT_EQ(plain.panel_size(), 16 * 5);
  EXPECT_EQ(plain.index(3, 4), 4 * 16 + 3);
  EXPECT_EQ(plain.index(18, 4), 16 * 5 + 4 * 16 + 2);
  EXPECT_EQ(paired.panel_size(), 16 * 6);
  EXPECT_EQ(paired.index(3, 4), 2 * 32 + 2 * 3);
  EXPECT_EQ(paired.index(3, 3), 32 + 2 * 3 + 1);
  EXPECT_EQ(paired.index(18, 0), 16 * 6 + 2 * 2);
}

RC_GTEST_PROP(Panels, EachElementHasAPlaceOfItsOwn, ()) {
  const DType type = *rc::gen::element(DType::f32, DType::f16, DType::bf16, DType::f8_e4m3);
  const std::int64_t rows = *rc::gen::inRange(0, 50), cols = *rc::gen::inRange(0, 50);
  const Panels panels{type, cols};
  std::set<std::int64_t> places;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c) {
      const std::int64_t place = panels.index(r, c);
      RC_ASSERT(place >= 0 && place < panels.size(rows));
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
  std::vector<std::byte> by_row(std::size_t(panels.size(rows)) * size), by_column(by_row.size()),
      expected(by_row.size());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c) {
      const std::byte* const from = &elements[std::size_t(r * cols + c) * size];
      std::memcpy(&expected[std::size_t(panels.index(r, c)) * size], from, size);
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
