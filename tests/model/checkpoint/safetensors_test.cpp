#include "model/checkpoint/safetensors.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstring>
#include <random>

#include "tests/model/checkpoint/checkpoint_folder.hpp"

namespace troupe::model {
namespace {

using kernels::DType;
using testing::HasSubstr;

std::string file_of(std::string_view header, std::string_view data) {
  const std::uint64_t length = header.size();
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file.append(header).append(data);
}

// The Error that opening a file of this header and so many bytes of data gives.
std::string refusal(std::string_view header, std::size_t data_bytes) {
  const TemporaryFolder folder;
  const auto path = folder.write("m.safetensors", file_of(header, std::string(data_bytes, 'x')));
  return error_of([&] { SafetensorsFile::open(path); });
}

std::string two_tensors() {
  return R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
         R"("b":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]}})";
}

TEST(Safetensors, MapsWhatTheHeaderSays) {
  const TemporaryFolder folder;
  const auto file =
      SafetensorsFile::open(folder.write("m.safetensors", file_of(two_tensors(), "01234567abcdef")));
  ASSERT_EQ(file.tensors().size(), 2u);
  const StoredTensor& a = file.tensors().at("a");
  EXPECT_EQ(a.dtype, DType::f32);
  EXPECT_EQ(a.shape, (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(std::memcmp(a.bytes.data(), "01234567", 8), 0);
  const StoredTensor& b = file.tensors().at("b");
  EXPECT_EQ(b.dtype, DType::bf16);
  EXPECT_EQ(b.bytes.size(), 6u);
  EXPECT_EQ(std::memcmp(b.bytes.data(), "abcdef", 6), 0);
}

TEST(Safetensors, StaysMappedWhenMoved) {
  const TemporaryFolder folder;
  auto first = SafetensorsFile::open(folder.write("m.safetensors", file_of(two_tensors(), "01234567abcdef")));
  const SafetensorsFile second = std::move(first);
  std::filesystem::remove(folder.path() / "m.safetensors");
  EXPECT_EQ(std::memcmp(second.tensors().at("b").bytes.data(), "abcdef", 6), 0);
}

TEST(Safetensors, TakesScalarsAndEmptyTensors) {
  const TemporaryFolder folder;
  const auto path = folder.write(
      "m.safetensors", file_of(R"({"s":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                               R"("e":{"dtype":"F16","shape":[0,9223372036854775807],"data_offsets":[8,8]}})",
                               "01234567"));
  const auto file = SafetensorsFile::open(path);
  EXPECT_TRUE(file.tensors().at("s").shape.empty());
  EXPECT_TRUE(file.tensors().at("e").bytes.empty());
}

TEST(Safetensors, RefusesFilesThatAreNone) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_of([&] { SafetensorsFile::open(folder.path() / "none"); }),
              HasSubstr("none: cannot be opened"));
  EXPECT_THAT(error_of([&] { SafetensorsFile::open(folder.path()); }), HasSubstr("is not a regular file"));
  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(error_of([&] { SafetensorsFile::open(pipe); }), HasSubstr("is not a regular file"));
  EXPECT_THAT(error_of([&] { SafetensorsFile::open(folder.write("short", "")); }),
              HasSubstr("short: is empty"));
  EXPECT_THAT(error_of([&] { SafetensorsFile::open(folder.write("short", "1234567")); }),
              HasSubstr("short: is too short"));
}

TEST(Safetensors, ToldFromWhatGitLeavesInItsPlace) {
  const TemporaryFolder folder;
  const auto path =
      folder.write("m.safetensors",
                   "version https://git-lfs.github.com/spec/v1\n"
                   "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
                   "size 5234139343\n");
  EXPECT_THAT(error_of([&] { SafetensorsFile::open(path); }),
              HasSubstr("m.safetensors: is a Git LFS pointer"));
}

TEST(Safetensors, ChecksTheHeaderLengthBeforeItsUse) {
  const TemporaryFolder folder;
  for (const std::uint64_t length :
       {std::uint64_t(max_safetensors_header) + 1, std::uint64_t(1) << 63, UINT64_MAX, UINT64_MAX - 7}) {
    std::string file(64, ' ');
    std::memcpy(file.data(), &length, sizeof(length));
    const auto path = folder.write("m", file);
    EXPECT_THAT(error_of([&] { SafetensorsFile::open(path); }), HasSubstr("max_safetensors_header"));
  }
  for (const std::uint64_t length : {std::uint64_t(57), std::uint64_t(max_safetensors_header)}) {
    std::string file(64, ' ');
    std::memcpy(file.data(), &length, sizeof(length));
    const auto path = folder.write("m", file);
    EXPECT_THAT(error_of([&] { SafetensorsFile::open(path); }), HasSubstr("past the end of the file"));
  }
}

struct Lie {
  const char* header;
  std::size_t data_bytes;
  const char* message;
};
void PrintTo(const Lie& lie, std::ostream* out) {
  *out << lie.header;
}
class LyingHeader : public testing::TestWithParam<Lie> {};

TEST_P(LyingHeader, IsRefused) {
  EXPECT_THAT(refusal(GetParam().header, GetParam().data_bytes), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Offsets, LyingHeader,
    testing::Values(
        Lie{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 7,
            "m.safetensors: a: data_offsets reach byte 8"},
        Lie{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 9, "bytes after the last tensor"},
        Lie{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8,
            "a: data_offsets end before they begin"},
        Lie{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}})", 8, "a: data_offsets[0] is -8"},
        Lie{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9223372036854775807]}})", 8,
            "a: data_offsets reach byte 9223372036854775807"},
        Lie{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[18446744073709551608,18446744073709551615]}})",
            8, "data_offsets[0] is 18446744073709551608"},
        Lie{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551616]}})", 8,
            "data_offsets[1] must be an integer"},
        Lie{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", 8, "must be two"},
        Lie{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8.0]}})", 8,
            "data_offsets[1] must be an integer"},
        Lie{R"({"a":{"dtype":"F32","shape":[2]}})", 8, "must be two"},
        Lie{R"({"a":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I32","shape":[1],"data_offsets":[4,8]}})",
            8, "b: overlaps"},
        Lie{R"({"a":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I32","shape":[2],"data_offsets":[0,8]}})",
            8, "overlaps"},
        Lie{R"({"a":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I32","shape":[0],"data_offsets":[4,4]}})",
            8, "overlaps"},
        Lie{R"({"a":{"dtype":"I32","shape":[1],"data_offsets":[4,8]}})", 8,
            "a: bytes before it belong to no tensor"},
        Lie{R"({"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"I32","shape":[1],"data_offsets":[8,12]}})",
            12, "b: bytes before it"}));

INSTANTIATE_TEST_SUITE_P(
    Shapes, LyingHeader,
    testing::Values(
        Lie{R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8,
            "a: shape [3] of F32 does not take the 8 bytes"},
        Lie{R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
            "does not take the 0"},
        Lie{R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0,
            "does not take the 0"},
        Lie{R"({"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,0]}})", 0,
            "shape[0] is 9223372036854775808"},
        Lie{R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}})", 8, "shape[0] is -1"},
        Lie{R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, "shape[0] must be an integer"},
        Lie{R"({"a":{"dtype":"F32","shape":"2","data_offsets":[0,8]}})", 8, "shape must be a list"},
        Lie{R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})", 4,
            "at most 8 extents"},
        Lie{R"({"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}})", 8,
            "a: dtype is \"F64\", which is not supported"},
        Lie{R"({"a":{"dtype":5,"shape":[1],"data_offsets":[0,8]}})", 8, "dtype must be a string"},
        Lie{R"({"a":{"shape":[1],"data_offsets":[0,8]}})", 8, "dtype is missing"}));

INSTANTIATE_TEST_SUITE_P(
    Json, LyingHeader,
    testing::Values(
        Lie{"", 0, "not valid JSON"}, Lie{"[]", 0, "header must be a JSON object"},
        Lie{"{\"a\":", 0, "not valid JSON"}, Lie{"{\"\xc0\x80\":{}}", 0, "not valid JSON"},
        Lie{R"({"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"I32","shape":[1],"data_offsets":[4,8]}})",
            8, "\"a\" twice"},
        Lie{R"({"a":5})", 0, "a: must be a JSON object"},
        Lie{R"({"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4],"extra":1}})", 4,
            "extra is not supported"},
        Lie{R"({"__metadata__":{"format":1}})", 0, "__metadata__ must map"},
        Lie{R"({"__metadata__":"pt"})", 0, "__metadata__ must map"},
        Lie{R"({"a":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]})", 0, "max_json_depth"}));

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(SafetensorsWriter, WritesWhatTheReaderReads) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "m.safetensors";
  const TensorToWrite tensors[] = {{{"second", DType::f8_e4m3, {3}}, bytes_of("abc")},
                                   {{"first", DType::i64, {1, 1}}, bytes_of("01234567")},
                                   {{"none", DType::f32, {0}}, {}}};
  write_safetensors(path, tensors);
  const auto file = SafetensorsFile::open(path);
  ASSERT_EQ(file.tensors().size(), 3u);
  for (const TensorToWrite& tensor : tensors) {
    const StoredTensor& stored = file.tensors().at(tensor.header.name);
    EXPECT_EQ(stored.dtype, tensor.header.dtype);
    EXPECT_EQ(stored.shape, tensor.header.shape);
    EXPECT_TRUE(std::ranges::equal(stored.bytes, tensor.bytes));
  }
  std::uint64_t header = 0;
  std::memcpy(&header, read_file(path).data(), sizeof(header));
  EXPECT_EQ(header % 8, 0u);
}

TEST(SafetensorsWriter, LeavesNothingUnfinished) {
  const TemporaryFolder folder;
  const auto path = folder.write("m.safetensors", "what was there before");
  const TensorHeader header{"a", DType::f32, {2}};
  {
    SafetensorsWriter writer(path, {&header, 1});
    writer.append(bytes_of("0123"));
  }
  EXPECT_EQ(read_file(path), "what was there before");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);

  SafetensorsWriter writer(path, {&header, 1});
  writer.append(bytes_of("0123"));
  writer.append(bytes_of("4567"));
  writer.finish();
  EXPECT_TRUE(std::ranges::equal(SafetensorsFile::open(path).tensors().at("a").bytes, bytes_of("01234567")));
  EXPECT_THAT(error_of([&] {
                SafetensorsWriter(folder.path() / "no" / "m", {&header, 1});
              }),
              HasSubstr("cannot be written"));
}

TEST(SafetensorsWriterDeathTest, ChecksTheNumberOfBytes) {
  const TemporaryFolder folder;
  const TensorHeader header{"a", DType::f32, {1}};
  SafetensorsWriter writer(folder.path() / "m", {&header, 1});
  EXPECT_DEATH(writer.append(bytes_of("01234")), "more bytes than the header announced");
  EXPECT_DEATH(writer.finish(), "fewer bytes than the header announced");
}

TEST(SafetensorsWriter, SaysThatTheDiskIsFull) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "needs /dev/full";
  const TemporaryFolder folder;
  std::filesystem::create_symlink("/dev/full", folder.path() / "m.partial");
  const std::string zeros(1 << 16, '\0');
  const TensorToWrite tensor{{"a", DType::f32, {1 << 14}}, bytes_of(zeros)};
  EXPECT_THAT(error_of([&] {
                write_safetensors(folder.path() / "m", {&tensor, 1});
              }),
              HasSubstr("cannot be written"));
}

// A valid file with some bytes changed, cut out or put in.
std::string mutation(std::string file, std::mt19937& random) {
  constexpr std::string_view likely = "0123456789-.eE[]{},:\"\\ \xff";
  const auto below = [&](std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
  };
  for (std::size_t changes = below(4); changes > 0; --changes) {
    const std::size_t at = below(file.size());
    switch (below(4)) {
      case 0:
        file[at] = char(below(256));
        break;
      case 1:
        file[at] = likely[below(likely.size())];
        break;
      case 2:
        file.erase(at, 1 + below(20)).append(1, 'x');
        break;
      default:
        file.insert(at, 1, likely[below(likely.size())]);
    }
  }
  return file;
}

// It opens, and all its bytes can be read, or it is refused; nothing else.
TEST(Safetensors, SurvivesMutations) {
  const TemporaryFolder folder;
  const std::string valid = file_of(two_tensors(), "01234567abcdef");
  std::mt19937 random(20240611);
  int opened = 0, refused = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string mutated = mutation(valid, random);
    const auto path = folder.write("m.safetensors", mutated);
    try {
      const auto file = SafetensorsFile::open(path);
      unsigned sum = 0;
      for (const auto& [name, tensor] : file.tensors()) {
        for (const std::byte byte : tensor.bytes) sum += unsigned(byte);
      }
      EXPECT_LT(sum, 256 * mutated.size());
      ++opened;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("m.safetensors"));
      ++refused;
    }
  }
  EXPECT_GT(opened, 100);
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace troupe::model
