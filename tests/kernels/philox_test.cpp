#include "kernels/philox.hpp"

#include <gtest/gtest.h>

#include <set>

namespace troupe::kernels {
namespace {

using Words = std::array<std::uint32_t, 4>;

// The known answers that come with Random123 (tests/kat_vectors, philox4x32 10).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, DrawsAreUniformAndDifferByEveryPartOfTheirKey) {
  std::set<double> draws;
  double sum = 0;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    const double u = uniform_draw(7, 0, i);
    ASSERT_TRUE(u >= 0 && u < 1);
    sum += u;
    draws.insert(u);
  }
  EXPECT_NEAR(sum / 10'000, 0.5, 0.01);  // 3.5 standard deviations
  draws.insert({uniform_draw(8, 0, 0), uniform_draw(std::uint64_t{7} << 32, 0, 0), uniform_draw(7, 1, 0),
                uniform_draw(7, 0, std::uint64_t{1} << 32)});
  EXPECT_EQ(draws.size(), 10'004u);
}

}  // namespace
}  // namespace troupe::kernels
