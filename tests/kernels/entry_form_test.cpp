// How caches store entries. What attention makes of them is attention_test's subject.
#include "kernels/entry_form.hpp"

#include "tests/kernels/encoded_entries.hpp"
#include "tests/kernels/fixture.hpp"

namespace troupe::kernels {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr CacheType cache_types[] = {CacheType::f32, CacheType::bf16, CacheType::fp8};

TEST(EncodeE4m3, EveryCodeComesBack) {
  for (int code = 0; code < 256; ++code)
    if ((code & 0x7f) != 0x7f) {
      ASSERT_EQ(encode_e4m3(decode_e4m3(std::uint8_t(code))), code);
    }
}

TEST(EncodeE4m3, RoundsToNearestEven) {
  for (int code = 0; code < 0x7e; ++code) {
    const auto low = float(value_of_e4m3(code)), high = float(value_of_e4m3(code + 1)),
               middle = (low + high) / 2;
    ASSERT_EQ(encode_e4m3(middle), code % 2 == 0 ? code : code + 1);
    ASSERT_EQ(encode_e4m3(std::nextafter(middle, 0.0f)), code);
    ASSERT_EQ(encode_e4m3(std::nextafter(middle, infinity)), code + 1);
    ASSERT_EQ(encode_e4m3(-middle), encode_e4m3(middle) | 0x80);
  }
}

TEST(EncodeE4m3, SaturatesAndHasNoNumberThatIsNone) {
  for (const float x : {448.0f, 464.0f, 1e30f, infinity}) {
    EXPECT_EQ(encode_e4m3(x), 0x7e);
    EXPECT_EQ(encode_e4m3(-x), 0xfe);
  }
  EXPECT_EQ(encode_e4m3(std::nanf("")), 0);
  EXPECT_EQ(encode_e4m3(0x1p-149f), 0);
  EXPECT_EQ(encode_e4m3(-0.0f), 0x80);
}

TEST(EncodeBf16, RoundsToNearestEvenAndKeepsWhatIsNoNumber) {
  Random random(1);
  for (int i = 0; i < 100000; ++i) {
    const float x = std::ldexp(random.uniform(), int(random.below(250)) - 140);
    ASSERT_EQ(decode_bf16(encode_bf16(x)), as_bf16(x)) << x;
  }
  EXPECT_EQ(encode_bf16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(encode_bf16(infinity), 0x7f80);
  EXPECT_EQ(encode_bf16(-infinity), 0xff80);
  for (const std::uint32_t bits : {0x7f800001u, 0x7fffffffu, 0xffffffffu})
    EXPECT_EQ(encode_bf16(std::bit_cast<float>(bits)), 0x7fc0);
}

TEST(EntryForm, HasThePublishedSizes) {
  EXPECT_EQ(latent_entry(CacheType::f32, 512, 64).bytes(), 576 * 4);
  EXPECT_EQ(latent_entry(CacheType::bf16, 512, 64).bytes(), 576 * 2);
  EXPECT_EQ(latent_entry(CacheType::fp8, 512, 64).bytes(), 512 + 4 * 4 + 64 * 2);  // as FlashMLA has it
  EXPECT_EQ(key_entry(CacheType::fp8, 128).bytes(), 128 + 4);
  EXPECT_EQ(key_value_entry(CacheType::fp8, 8, 128, 128).bytes(), 8 * 2 * (128 + 4));
  EXPECT_EQ(key_value_entry(CacheType::fp8, 1, 130, 3).bytes(), 132 + 2 * 4 + 4 + 4);
  EXPECT_EQ(key_value_entry(CacheType::bf16, 3, 5, 6).words(), 3 * (3 + 3));
  for (const CacheType type : cache_types) EXPECT_EQ(key_entry(type, 0).bytes(), 0);
}

TEST(ScaleOfE4m3, IsTheLargestOver448) {
  EXPECT_EQ(scale_of_e4m3(magnitude_bits(-896)), 2);
  EXPECT_EQ(scale_of_e4m3(0), 1);
  EXPECT_EQ(scale_of_e4m3(magnitude_bits(-0.0f)), 1);
  EXPECT_EQ(scale_of_e4m3(magnitude_bits(0x1p-149f)), 0x1p-126f);
  EXPECT_EQ(scale_of_e4m3(magnitude_bits(std::numeric_limits<float>::max())),
            std::numeric_limits<float>::max() / 448);
  EXPECT_TRUE(std::isnan(scale_of_e4m3(magnitude_bits(infinity))));
  EXPECT_TRUE(std::isnan(scale_of_e4m3(magnitude_bits(std::nanf("")))));
}

// Two heads, of which the first part has two scales in FP8 and the second one.
constexpr std::int64_t first_elements = 150, second_elements = 7;

// The cache's words for one token with these numbers.
Array<float> stored(Ops& ops, const EntryForm& form, const Array<float>& first, const Array<float>& second) {
  ImmediateQueue queue;
  Array<float> data({1, 1, form.words()});
  const std::vector<BlockId> blocks{0};
  StepLayout layout{.tokens = 1, .sequences = {}};
  layout.sequences.push_back({.first_row = 0, .rows = 1, .first_position = 0, .blocks = blocks});
  ops.store_entries(queue, first.tensor, second.tensor, layout, {data.tensor, form});
  return data;
}

// Elements of a head of an entry, as select_keys and attention see them: read by the definition of the form.
std::vector<float> read_back(const EntryForm& form, const Array<float>& data) {
  const auto* at = reinterpret_cast<const std::byte*>(data.data.data());
  std::vector<float> all;
  for (std::int64_t head = 0; head < form.heads; ++head)
    for (const EntryPart* part : {&form.first, &form.second}) {
      for (std::int64_t i = 0; i < part->elements; ++i) {
        if (part->type == DType::f32) {
          all.push_back(reinterpret_cast<const float*>(at)[i]);
        } else if (part->type == DType::bf16) {
          all.push_back(
              std::bit_cast<float>(std::uint32_t(reinterpret_cast<const std::uint16_t*>(at)[i]) << 16));
        } else {
          const int code = int(at[i]);
          const auto magnitude = float(value_of_e4m3(code & 0x7f));
          all.push_back((code & 0x80 ? -magnitude : magnitude) *
                        reinterpret_cast<const float*>(at + (part->elements + 3) / 4 * 4)[i / 128]);
        }
      }
      at += part->bytes();
    }
  return all;
}

struct Numbers {
  const char* what;
  float (*at)(std::int64_t i, Random& random);
};

TEST(StoreEntries, HasTheSameBytesEverywhereAndTheNearestNumbers) {
  constexpr Numbers kinds[] = {
      {"some", [](std::int64_t, Random& random) { return random.uniform() * 3; }},
      {"zeroes", [](std::int64_t i, Random&) { return i % 2 == 0 ? 0.0f : -0.0f; }},
      {"one that is not zero", [](std::int64_t i, Random&) { return i == 140 ? -1e-3f : 0.0f; }},
      {"denormal", [](std::int64_t i, Random&) { return std::ldexp(float(i % 19) - 9, -149); }},
      {"around the least normal", [](std::int64_t i, Random&) { return std::ldexp(float(i % 448), -130); }},
      {"largest", [](std::int64_t i, Random&) { return i % 3 == 0 ? 3.3895e38f : -3.0e38f; }},
      {"far apart", [](std::int64_t, Random& random) {
         return std::ldexp(random.uniform(), int(random.below(60)) - 30);
       }}};
  for (const auto& [what, at] : kinds)
    for (const CacheType type : cache_types) {
      SCOPED_TRACE(std::string(what) + ", " + std::string(name_of(type)));
      const EntryForm form = key_value_entry(type, 2, first_elements, second_elements);
      Random random(3);
      Array<float> first({1, 2, first_elements}), second({1, 2, second_elements}),
          entry({1, form.heads, 157});
      for (std::int64_t head = 0; head < 2; ++head)
        for (std::int64_t i = 0; i < form.head_elements(); ++i) {
          const float x = entry[head * form.head_elements() + i] = at(i, random);
          if (i < first_elements)
            first[head * first_elements + i] = x;
          else
            second[head * second_elements + i - first_elements] = x;
        }
      const std::vector<float> expected = decoded(form, entry.data.data(), 1);
      CpuOps one(1);
      const Array<float> bytes = stored(one, form, first, second);
      const std::vector<float> read = read_back(form, bytes);
      ASSERT_EQ(0, std::memcmp(read.data(), expected.data(), expected.size() * sizeof(float)));
      with_every_ops([&](Ops& ops) { EXPECT_EQ(stored(ops, form, first, second), bytes); });
    }
}

// So that logits are none, and no token is drawn from them, as for an activation that is none. A group of 128 is as far
// as it goes.
TEST(StoreEntries, WhatIsInfiniteOrNoNumberIsNotMadeFinite) {
  for (const float bad : {infinity, -infinity, std::nanf("")})
    for (const CacheType type : cache_types) {
      const EntryForm form = key_value_entry(type, 1, first_elements, second_elements);
      auto first = random_array({1, 1, first_elements}, 1), second = random_array({1, 1, second_elements}, 2);
      first[130] = bad;
      CpuOps one(1);
      const Array<float> bytes = stored(one, form, first, second);
      with_every_ops([&](Ops& ops) { EXPECT_EQ(stored(ops, form, first, second), bytes); });
      const std::vector<float> read = read_back(form, bytes);
      for (std::size_t i = 0; i < read.size(); ++i) {
        const bool spoilt = type == CacheType::fp8 ? i >= 128 && i < first_elements : i == 130;
        ASSERT_EQ(std::isfinite(read[i]), !spoilt) << i << " of " << name_of(type);
      }
    }
}

TEST(StoreEntriesDeathTest, ACacheOfAnotherFormStops) {
  CpuOps ops(1);
  const auto x = random_array({1, 1, 8}, 1);
  Array<float> data({1, 1, 8});
  const std::vector<BlockId> blocks{0};
  StepLayout layout{.tokens = 1, .sequences = {}};
  layout.sequences.push_back({.first_row = 0, .rows = 1, .first_position = 0, .blocks = blocks});
  ImmediateQueue queue;
  const Tensor nothing(nullptr, DType::f32, {1, 1, 0});
  const auto store = [&](const EntryForm& form) {
    ops.store_entries(queue, x.tensor, nothing, layout, {data.tensor, form});
  };
  EXPECT_DEATH(store(key_entry(CacheType::bf16, 8)), "a cache of another form");
  EXPECT_DEATH(store(key_entry(CacheType::bf16, 16)), "widths of store_entries");
  EXPECT_DEATH(store(key_value_entry(CacheType::f32, 2, 2, 2)), "heads of store_entries");
}

}  // namespace
}  // namespace troupe::kernels
