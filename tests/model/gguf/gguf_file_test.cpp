#include "model/gguf/gguf_file.hpp"

#include <gmock/gmock.h>

#include <cstring>
#include <random>

#include "model/gguf/gguf_writer.hpp"
#include "tests/model/checkpoint/checkpoint_folder.hpp"

namespace troupe::model {
namespace {

using kernels::DType;
using testing::ElementsAre;
using testing::HasSubstr;

template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
std::string raw_text(std::string_view text) {
  return raw(std::uint64_t(text.size())) + std::string(text);
}
std::string header(std::uint64_t tensors, std::uint64_t keys) {
  return "GGUF" + raw(std::uint32_t{3}) + raw(tensors) + raw(keys);
}
std::string tensor(std::string_view name, const std::vector<std::uint64_t>& extents, std::uint32_t type,
                   std::uint64_t offset) {
  std::string bytes = raw_text(name) + raw(std::uint32_t(extents.size()));
  for (const std::uint64_t extent : extents) bytes += raw(extent);
  return bytes + raw(type) + raw(offset);
}

GgufKeys some_keys() {
  GgufKeys keys;
  keys.text("general.architecture", "llama");
  keys.u32("llama.block_count", 30);
  keys.f32("llama.rope.freq_base", 1e5f);
  keys.boolean("tokenizer.ggml.add_bos_token", false);
  keys.texts("tokenizer.ggml.tokens", std::vector<std::string>{"a", "", "bc"});
  keys.i32s("tokenizer.ggml.token_type", std::vector<std::int32_t>{1, 3, -1});
  keys.f32s("tokenizer.ggml.scores", std::vector<float>{0.5f, -1});
  return keys;
}

const std::vector<TensorHeader> some_tensors{
    {"norm", DType::f32, {3}}, {"matrix", DType::q4_1, {2, 64}}, {"experts", DType::q6_k, {2, 1, 256}}};

void write_some(const std::filesystem::path& path, const GgufKeys& keys = some_keys(),
                const std::vector<TensorHeader>& tensors = some_tensors) {
  GgufWriter writer(path, keys, tensors);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    writer.append(std::vector<std::byte>(tensors[i].bytes(), std::byte(i + 1)));
  writer.finish();
}

class Gguf : public testing::Test {
 protected:
  // The Error that a file of these bytes gives.
  std::string refusal(const std::string& bytes) {
    return error_of([&] { GgufFile::open(folder_.write("m.gguf", bytes)); });
  }
  TemporaryFolder folder_;
};

TEST_F(Gguf, HoldsWhatWasWritten) {
  const auto path = folder_.path() / "m.gguf";
  write_some(path);
  const GgufFile file = GgufFile::open(path);
  EXPECT_EQ(file.at("general.architecture").text(), "llama");
  EXPECT_EQ(file.at("llama.block_count").integer(1, 100), 30);
  EXPECT_EQ(file.at("llama.block_count").number(1, 100), 30);
  EXPECT_EQ(file.at("llama.rope.freq_base").number(1, 1e9), 1e5);
  EXPECT_FALSE(file.at("tokenizer.ggml.add_bos_token").boolean());
  EXPECT_THAT(file.at("tokenizer.ggml.tokens").texts(), ElementsAre("a", "", "bc"));
  EXPECT_THAT(file.at("tokenizer.ggml.token_type").integers(-1, 3), ElementsAre(1, 3, -1));
  EXPECT_THAT(file.at("tokenizer.ggml.scores").numbers(), ElementsAre(0.5, -1));
  ASSERT_EQ(file.tensors().size(), 3u);
  const StoredTensor& matrix = file.tensors().at("matrix");
  EXPECT_EQ(matrix.dtype, DType::q4_1);
  EXPECT_THAT(matrix.shape, ElementsAre(2, 64));
  ASSERT_EQ(matrix.bytes.size(), 2u * 2 * 20);
  for (const std::byte byte : matrix.bytes) EXPECT_EQ(byte, std::byte{2});
  EXPECT_THAT(file.tensors().at("experts").shape, ElementsAre(2, 1, 256));
  EXPECT_EQ(file.tensors().at("experts").bytes.back(), std::byte{3});
}

TEST_F(Gguf, ValuesOfOtherTypesAreRefusedByKey) {
  write_some(folder_.path() / "m.gguf");
  const GgufFile file = GgufFile::open(folder_.path() / "m.gguf");
  EXPECT_THAT(error_of([&] { file.at("none"); }), HasSubstr("m.gguf: none: is missing"));
  EXPECT_THAT(error_of([&] { file.at("general.architecture").integer(0, 1); }),
              HasSubstr("general.architecture: must be an integer"));
  EXPECT_THAT(error_of([&] { file.at("llama.block_count").integer(0, 29); }), HasSubstr("is 30; it must be"));
  EXPECT_THAT(error_of([&] { file.at("tokenizer.ggml.scores").integers(0, 1); }), HasSubstr("holds 0.5;"));
  EXPECT_THAT(error_of([&] { file.at("tokenizer.ggml.token_type").integers(2, 3); }), HasSubstr("holds 1;"));
  EXPECT_THAT(error_of([&] { file.at("tokenizer.ggml.tokens").numbers(); }),
              HasSubstr("must be an array of numbers"));
}

TEST_F(Gguf, RefusesWhatTheFormatDoesNotAllow) {
  EXPECT_THAT(refusal("GGML" + std::string(60, '\0')), HasSubstr("is no GGUF file"));
  EXPECT_THAT(refusal("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
              HasSubstr("Git LFS pointer"));
  EXPECT_THAT(refusal("GGUF" + raw(std::uint32_t{1}) + std::string(16, '\0')), HasSubstr("GGUF version 1"));
  EXPECT_THAT(refusal("GGUF"), HasSubstr("the version reaches past the end"));
  EXPECT_THAT(refusal(header(0, 1) + raw_text("k") + raw(std::uint32_t{13})), HasSubstr("k: has type 13"));
  EXPECT_THAT(refusal(header(0, 1) + raw_text("k") + raw(std::uint32_t{7}) + "\2"),
              HasSubstr("k: is neither true nor false"));
  EXPECT_THAT(refusal(header(0, 1) + raw_text("k") + raw(std::uint32_t{10}) + raw(UINT64_MAX)),
              HasSubstr("k: is too large a number"));
  EXPECT_THAT(refusal(header(0, 1) + raw_text("k") + raw(std::uint32_t{9}) + raw(std::uint32_t{9}) +
                      raw(std::uint64_t{1})),
              HasSubstr("k: is an array of type 9"));
  const std::string key = raw_text("k") + raw(std::uint32_t{0}) + "\1";
  EXPECT_THAT(refusal(header(0, 2) + key + key), HasSubstr("k: is there twice"));
}

TEST_F(Gguf, LimitsHaveNames) {
  EXPECT_THAT(refusal(header(max_gguf_tensors + 1, 0)), HasSubstr("max_gguf_tensors"));
  EXPECT_THAT(refusal(header(0, max_gguf_keys + 1)), HasSubstr("max_gguf_keys"));
  EXPECT_THAT(refusal(header(0, 1) + raw(std::uint64_t(max_gguf_key + 1))), HasSubstr("max_gguf_key"));
  EXPECT_THAT(refusal(header(0, 1) + raw_text("k") + raw(std::uint32_t{9}) + raw(std::uint32_t{4}) +
                      raw(std::uint64_t(max_gguf_array + 1))),
              HasSubstr("max_gguf_array"));
  const auto array = [](const char* key, std::size_t count, std::size_t given) {
    return raw_text(key) + raw(std::uint32_t{9}) + raw(std::uint32_t{0}) + raw(std::uint64_t(count)) +
           std::string(given, '\0');
  };
  constexpr std::size_t most = max_gguf_array;
  static_assert(2 * most == max_gguf_elements);
  EXPECT_THAT(refusal(header(0, 3) + array("a", most, most) + array("b", most, most) + array("c", 1, 1)),
              HasSubstr("c: and the arrays before it have more than max_gguf_elements"));
  EXPECT_THAT(refusal(header(0, 1) + raw_text("k") + raw(std::uint32_t{8}) + raw(UINT64_MAX)),
              HasSubstr("max_gguf_header"));
  EXPECT_THAT(refusal(header(1, 0) + raw_text(std::string(max_gguf_tensor_name + 1, 'n'))),
              HasSubstr("max_gguf_tensor_name"));
  EXPECT_THAT(refusal(header(1, 0) + tensor("t", {1, 1, 1, 1, 1}, 0, 0)), HasSubstr("t: has 5 dimensions"));
  EXPECT_THAT(refusal(header(0, 1) + raw_text("general.alignment") + raw(std::uint32_t{4}) +
                      raw(std::uint32_t(2 * max_gguf_alignment))),
              HasSubstr("general.alignment: is 2097152"));
}

TEST_F(Gguf, AHeaderThatIsTooLongIsRefused) {
  const auto path = folder_.write(
      "m.gguf", header(0, 1) + raw_text("k") + raw(std::uint32_t{8}) + raw(std::uint64_t(max_gguf_header)));
  std::filesystem::resize_file(path, 2 * max_gguf_header);  // a hole
  EXPECT_THAT(error_of([&] { GgufFile::open(path); }), HasSubstr("k lies behind max_gguf_header"));
}

TEST_F(Gguf, TensorsAreCheckedBeforeTheirUse) {
  const auto refused = [&](const std::string& tensors, std::uint64_t count = 1) {
    return refusal(header(count, 0) + tensors + std::string(4096, '\0'));
  };
  EXPECT_THAT(refused(tensor("t", {}, 0, 0)), HasSubstr("t: has 0 dimensions"));
  EXPECT_THAT(refused(tensor("t", {4, 0}, 0, 0)), HasSubstr("t: has no shape that could be"));
  EXPECT_THAT(refused(tensor("t", {1ull << 40, 1ull << 40}, 0, 0)), HasSubstr("t: has no shape"));
  EXPECT_THAT(refused(tensor("t", {UINT64_MAX}, 0, 0)), HasSubstr("t: has no shape"));
  EXPECT_THAT(refused(tensor("t", {31}, 8, 0)), HasSubstr("t: has rows of 31 columns"));
  EXPECT_THAT(refused(tensor("t", {256}, 23, 0)), HasSubstr("t: has type IQ4_XS, which is not supported"));
  EXPECT_THAT(refused(tensor("t", {256}, 99, 0)), HasSubstr("t: has type number 99"));
  EXPECT_THAT(refused(tensor("t", {4}, 0, 1)), HasSubstr("t: begins at no multiple"));
  EXPECT_THAT(refused(tensor("t", {4}, 0, UINT64_MAX - 31)), HasSubstr("t: reaches past the end"));
  EXPECT_THAT(refused(tensor("t", {1 << 20}, 0, 0)), HasSubstr("t: reaches past the end"));
  EXPECT_THAT(refused(tensor("t", {4}, 0, 0) + tensor("t", {4}, 0, 32), 2), HasSubstr("t: is there twice"));
  EXPECT_THAT(refused(tensor("a", {16}, 0, 0) + tensor("b", {4}, 0, 32), 2), HasSubstr("b: overlaps"));
  EXPECT_EQ(refused(tensor("b", {4}, 0, 32) + tensor("a", {8}, 0, 0), 2), "no error");
}

TEST_F(Gguf, AlignmentIsTheFiles) {
  const std::string keys = raw_text("general.alignment") + raw(std::uint32_t{4});
  const std::string data(200, '\7');
  EXPECT_EQ(refusal(header(1, 1) + keys + raw(std::uint32_t{8}) + tensor("t", {2}, 0, 8) + data), "no error");
  EXPECT_THAT(refusal(header(1, 1) + keys + raw(std::uint32_t{24}) + tensor("t", {2}, 0, 0) + data),
              HasSubstr("general.alignment: is no power of two"));
}

GgufKeys split_keys(std::uint32_t number, std::uint32_t count) {
  GgufKeys keys;
  keys.u32("split.no", number);
  keys.u32("split.count", count);
  keys.u32("split.tensors.count", 2);
  return keys;
}

TEST_F(Gguf, ASetIsOpenedByAnyOfItsFiles) {
  const auto first = folder_.path() / "m-00001-of-00002.gguf",
             second = folder_.path() / "m-00002-of-00002.gguf";
  write_some(first, split_keys(0, 2), {{"a", DType::f32, {1}}});
  write_some(second, split_keys(1, 2), {{"b", DType::f32, {1}}});
  for (const auto& path : {first, second}) {
    const std::vector<GgufFile> files = open_gguf(path);
    ASSERT_EQ(files.size(), 2u);
    EXPECT_TRUE(files[0].tensors().contains("a"));
    EXPECT_TRUE(files[1].tensors().contains("b"));
  }
  const auto refused = [&] { return error_of([&] { open_gguf(first); }); };
  write_some(second, split_keys(0, 2), {{"b", DType::f32, {1}}});
  EXPECT_THAT(refused(), HasSubstr("split.no: is not what the file's name says"));
  write_some(second, split_keys(1, 3), {{"b", DType::f32, {1}}});
  EXPECT_THAT(refused(), HasSubstr("split.count: differs"));
  write_some(second, split_keys(1, 2), {{"a", DType::f32, {1}}});
  EXPECT_THAT(refused(), HasSubstr("a: is in another file of the set"));
  write_some(second, split_keys(1, 2), {{"b", DType::f32, {1}}, {"c", DType::f32, {1}}});
  EXPECT_THAT(refused(), HasSubstr("split.tensors.count: is not the number of tensors"));
  std::filesystem::remove(second);
  EXPECT_THAT(refused(), HasSubstr("m-00002-of-00002.gguf: cannot be opened"));
  const auto renamed = folder_.path() / "m.gguf";
  std::filesystem::rename(first, renamed);
  EXPECT_THAT(error_of([&] { open_gguf(renamed); }), HasSubstr("is not called NAME-00001-of-0000N.gguf"));
  write_some(renamed, split_keys(0, max_gguf_splits + 1));
  EXPECT_THAT(error_of([&] { open_gguf(renamed); }), HasSubstr("split.count: is 1025"));
}

}  // namespace
}  // namespace troupe::model
