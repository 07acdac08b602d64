// NF4 (Dettmers et al. 2023, "QLoRA") as bitsandbytes stores it: weight [rows * cols / 2, 1], pairs of which the even column
// has the upper bits, with a scale for so many numbers of the flat matrix: weight.absmax in F32, or, quantised once more, in
// U8, as weight.nested_quant_map's number times weight.nested_absmax's of so many scales, plus an offset. What blocks there
// are says weight.quant_state.bitsandbytes__nf4, a JSON text.

#include "model/checkpoint/quantised/block_rows.hpp"
#include "model/checkpoint/quantised/quantised_weights.hpp"
#include "model/config.hpp"
#include "model/json/fields.hpp"
#include "model/json/parse.hpp"

namespace troupe::model {

using kernels::DType;

namespace {

constexpr const char* state_name = "weight.quant_state.bitsandbytes__nf4";

struct State {
  std::int64_t rows = 0, cols = 0, block = 64, nested_block = 256;
  float offset = 0;
};

State read_state(WeightParts& parts) {
  const StoredTensor& text = parts.get(state_name, {DType::u8});
  const std::string where = parts.where(state_name);
  const nlohmann::json json =
      parse_json({reinterpret_cast<const char*>(text.bytes.data()), text.bytes.size()}, where);
  JsonFields fields(JsonValue(json, where));
  if (fields["quant_type"].text() != "nf4") fields["quant_type"].fail("must be \"nf4\"");
  State state;
  const JsonValue shape = fields["shape"];
  if (!shape.value().is_array() || shape.value().size() != 2) shape.fail("must be two integers");
  state.rows = shape.element(0).integer(1, most_extent);
  state.cols = shape.element(1).integer(1, most_extent);
  state.block = fields["blocksize"].integer(1, limits::weight_block);
  state.nested_block = fields["nested_blocksize"].optional_integer(1, limits::weight_block).value_or(256);
  state.offset = float(fields["nested_offset"].optional_number(-1e30, 1e30).value_or(0));
  fields.ignore({"dtype", "nested_dtype"});
  fields.refuse_others();
  return state;
}

struct Nf4Codes {
  StoredTensor pairs, scales, nested_scales, nested_map;  // nested: may be none
  State state;

  unsigned code(std::int64_t row, std::int64_t column) const {
    const std::int64_t i = row * state.cols + column;
    return unsigned(element<std::uint8_t>(pairs.bytes, i / 2)) >> (1 - i % 2) * 4 & 15;
  }
  void share(std::int64_t row, std::int64_t column, std::byte* block) const {
    const float step = scale((row * state.cols + column) / state.block);
    std::memcpy(block, &step, sizeof step);
  }

 private:
  float scale(std::int64_t i) const {
    if (scales.dtype == DType::f32) return element<float>(scales.bytes, i);
    const float product = element<float>(nested_map.bytes, element<std::uint8_t>(scales.bytes, i)) *
                          element<float>(nested_scales.bytes, i / state.nested_block);
    return product + state.offset;
  }
};

void check_map(WeightParts& parts) {
  const StoredTensor& map = parts.shaped("weight.quant_map", {DType::f32}, {16});
  for (int i = 0; i < 16; ++i)
    if (element<float>(map.bytes, i) != kernels::nf4_value(i))
      parts.fail("weight.quant_map", "has " + std::to_string(element<float>(map.bytes, i)) + " for code " +
                                         std::to_string(i) + ", which is not NF4's");
}

}  // namespace

void join_bitsandbytes(const Quantisation&, WeightParts& parts) {
  const State state = read_state(parts);
  check_map(parts);
  const std::int64_t columns = kernels::storage_unit(DType::nf4).columns, all = state.rows * state.cols;
  if (state.block % columns != 0 || (state.cols % columns != 0 && state.block % state.cols != 0))
    parts.fail(state_name, "has blocks of " + std::to_string(state.block) + " in rows of " +
                               std::to_string(state.cols) + "; both must be multiples of " +
                               std::to_string(columns));
  const std::int64_t count = (all + state.block - 1) / state.block,
                     nested = (count + state.nested_block - 1) / state.nested_block;
  Nf4Codes codes{};
  codes.state = state;
  codes.pairs = parts.shaped("weight", {DType::u8}, {(all + 1) / 2, 1});
  codes.scales = parts.shaped("weight.absmax", {DType::f32, DType::u8}, {count});
  if (codes.scales.dtype == DType::u8) {
    codes.nested_scales = parts.shaped("weight.nested_absmax", {DType::f32}, {nested});
    codes.nested_map = parts.shaped("weight.nested_quant_map", {DType::f32}, {256});
  }
  parts.become(in_blocks_of(DType::nf4, state.rows, state.cols, std::move(codes)));
}

}  // namespace troupe::model
