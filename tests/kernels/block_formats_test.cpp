#include "kernels/block_formats.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

#include "kernels/weights.hpp"
#include "tests/kernels/dequantised_blocks.hpp"

namespace troupe::kernels {
namespace {

struct Golden {
  std::vector<std::uint8_t> blocks;
  std::vector<float> values;
};

// A line a type: its name, bytes, and bits of values, in hexadecimal.
std::map<std::string, Golden> goldens() {
  std::map<std::string, Golden> result;
  for (const char* of : {TEST_DATA "/block_formats.txt", TEST_DATA "/packed_formats.txt"}) {
    std::ifstream file(of);
    for (std::string name, bytes, values; file >> name >> bytes >> values;) {
      Golden& golden = result[name];
      for (std::size_t i = 0; i < bytes.size(); i += 2)
        golden.blocks.push_back(std::uint8_t(std::stoul(bytes.substr(i, 2), nullptr, 16)));
      for (std::size_t i = 0; i < values.size(); i += 8)
        golden.values.push_back(
            std::bit_cast<float>(std::uint32_t(std::stoul(values.substr(i, 8), nullptr, 16))));
    }
  }
  return result;
}

constexpr std::pair<const char*, DType> names[] = {
    {"q8_0", DType::q8_0},       {"q4_0", DType::q4_0},     {"q4_1", DType::q4_1},
    {"q5_0", DType::q5_0},       {"q5_1", DType::q5_1},     {"q2_k", DType::q2_k},
    {"q3_k", DType::q3_k},       {"q4_k", DType::q4_k},     {"q5_k", DType::q5_k},
    {"q6_k", DType::q6_k},       {"iq4_nl", DType::iq4_nl}, {"i4_32", DType::i4_32},
    {"i4_128", DType::i4_128},   {"i8_32", DType::i8_32},   {"i8_128", DType::i8_128},
    {"i4_bf16", DType::i4_bf16}, {"mxfp4", DType::mxfp4},   {"nvfp4", DType::nvfp4},
    {"nf4", DType::nf4}};

TEST(BlockFormats, ValuesAreThoseOfGgufPyAndNumpy) {
  const auto golden = goldens();
  for (const auto& [name, type] : names) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(golden.contains(name));
    const auto& [blocks, values] = golden.at(name);
    const auto cols = std::int64_t(values.size());
    ASSERT_EQ(blocks.size(), row_bytes(type, cols));
    const float one = 1;
    const Weight stored{.data = blocks.data(),
                        .dtype = type,
                        .rows = 1,
                        .cols = cols,
                        .scales = &one,
                        .scale_stride = 1,
                        .block_rows = whole_matrix,
                        .block_cols = whole_matrix};
    std::vector<std::byte> packed(Panels{type, cols}.size(1));
    pack_row({type, cols}, 0, static_cast<const std::byte*>(stored.data), packed.data());
    Weight in_panels = stored;
    in_panels.data = packed.data();
    in_panels.layout = Layout::panels;
    std::vector<float> walked(values.size());
    const auto unit = storage_unit(type);
    for (std::size_t i = 0; i < blocks.size() / unit.bytes; ++i)
      dequantise_block(type, &blocks[i * unit.bytes], &walked[i * std::size_t(unit.columns)]);
    for (std::int64_t c = 0; c < cols; ++c) {
      const float expected = values[std::size_t(c)];
      ASSERT_EQ(dequantise(stored, 0, c), expected) << c;
      ASSERT_EQ(dequantise(in_panels, 0, c), expected) << c;
      ASSERT_EQ(walked[std::size_t(c)], expected) << c;
    }
  }
}

TEST(BlockFormats, APartKnowsWhereInItsFirstBlockItBegins) {
  std::vector<std::uint8_t> block(storage_unit(DType::q8_0).bytes * 2);
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = std::uint8_t(i);
  block[0] = block[34] = 0;
  block[1] = block[35] = 0x3c;  // 1
  const Weight part{.data = block.data(), .dtype = DType::q8_0, .rows = 1, .cols = 40, .col0 = 5};
  EXPECT_EQ(bytes_of(part), block.size());
  EXPECT_EQ(dequantise(part, 0, 0), 7);
  EXPECT_EQ(dequantise(part, 0, 27), 36);
}

TEST(BlockFormatsDeathTest, WholeBlocksBeforeAPartStop) {
  const std::uint8_t byte = 0;
  EXPECT_DEATH(check_weight({.data = &byte, .dtype = DType::q4_0, .rows = 1, .cols = 1, .col0 = 32}),
               "blocks before those of a weight");
}

}  // namespace
}  // namespace troupe::kernels
