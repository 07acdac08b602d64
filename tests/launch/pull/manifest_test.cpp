#include "launch/pull/manifest.hpp"

#include <gmock/gmock.h>

#include "launch/pull/file_name.hpp"
#include "runtime/base/digest.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::launch::pull {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string some_hash(64, 'a');
constexpr auto unseen = [](std::uint64_t, std::uint64_t) {};

TEST(Manifest, IsReadAsItWasWritten) {
  const Manifest manifest{.origin = "troupe pull a/b@c",
                          .sha256 = {{"a b", some_hash}, {"c/d", std::string(64, '0')}}};
  const Manifest again = parse_manifest(text_of(manifest), "m");
  EXPECT_EQ(again.origin, manifest.origin);
  EXPECT_EQ(again.sha256, manifest.sha256);
}

TEST(Manifest, IsWhatSha256sumWrites) {
  const auto names = [](const std::string& text) { return parse_manifest(text, "m").sha256; };
  EXPECT_EQ(names(some_hash + "  ./a\n" + std::string(64, 'B') + " *b\n"),
            (std::map<std::string, std::string>{{"a", some_hash}, {"b", std::string(64, 'b')}}));
}

TEST(Manifest, FaultsAreNamedWithTheirLine) {
  const auto fault = [](const std::string& text) { return error_of([&] { parse_manifest(text, "m"); }); };
  EXPECT_THAT(fault(""), HasSubstr("names no file"));
  EXPECT_THAT(fault("# a comment\n"), HasSubstr("names no file"));
  EXPECT_THAT(fault(some_hash + "  a\n" + some_hash.substr(1) + "  b\n"), HasSubstr("m:2: is no SHA-256"));
  EXPECT_THAT(fault(some_hash + " a\n"), HasSubstr("m:1"));
  EXPECT_THAT(fault(some_hash), HasSubstr("m:1"));
  EXPECT_THAT(fault("\\" + some_hash + "  a\\nb\n"), HasSubstr("m:1"));
  EXPECT_THAT(fault(some_hash + "  ../a\n"), HasSubstr("leads out"));
  EXPECT_THAT(fault(some_hash + "  /etc/passwd\n"), HasSubstr("m:1: its name"));
  EXPECT_THAT(fault(some_hash + "  a\n" + some_hash + "  ./a\n"), HasSubstr("m:2: is there twice"));
}

struct Verifying : testing::Test {
  Verifying() {
    folder.write("a", "one");
    create_directory(folder.path() / "part");
    folder.write("part/b", "two");
    write({{"a", sha256_hex("one")}, {"part/b", sha256_hex("two")}});
  }
  void write(std::map<std::string, std::string> hashes) {
    folder.write("MANIFEST.sha256", text_of({.origin = "", .sha256 = std::move(hashes)}));
  }
  std::string fault() {
    return error_of([&] { verify_manifest(folder.path(), 4, unseen); });
  }
  const TemporaryFolder folder;
};

TEST_F(Verifying, FilesAsTheManifestHasThem) {
  std::uint64_t last = 0, all = 0;
  const Verified verified =
      verify_manifest(folder.path(), 4, [&](std::uint64_t done, std::uint64_t of) { last = done, all = of; });
  EXPECT_EQ(verified.files, 2u);
  EXPECT_EQ(verified.bytes, 6u);
  EXPECT_EQ(last, 6u);
  EXPECT_EQ(all, 6u);
}

TEST_F(Verifying, SaysWhatIsWrongMissingAndTooMuch) {
  folder.write("a", "ONE");
  std::filesystem::remove(folder.path() / "part/b");
  folder.write("part/c", "new");
  folder.write("chat_template.jinja", "{{ evil }}");
  EXPECT_THAT(
      fault(),
      AllOf(HasSubstr("4 files are not as MANIFEST.sha256 has it"),
            HasSubstr("\n  a: SHA-256 is " + sha256_hex("ONE") + ", and should be " + sha256_hex("one")),
            HasSubstr("\n  part/b: is missing"), HasSubstr("\n  part/c: is not in the manifest"),
            HasSubstr("\n  chat_template.jinja: is not in the manifest")));
}

TEST_F(Verifying, FoldersAndLinksToNowhereAreNoFiles) {
  std::filesystem::remove(folder.path() / "a");
  create_directory(folder.path() / "a");
  std::filesystem::remove(folder.path() / "part/b");
  create_symlink("nowhere", folder.path() / "part/b");
  EXPECT_THAT(fault(), AllOf(HasSubstr("a: is missing"), HasSubstr("part/b: cannot be read")));
  create_symlink("round", folder.path() / "round");
  EXPECT_THAT(fault(), AllOf(HasSubstr("3 files are not"), HasSubstr("round: is not in the manifest")));
}

TEST_F(Verifying, WhatAPullWorksWithDoesNotCount) {
  create_directory(folder.path() / state_folder);
  folder.write(std::string(state_folder) + "/journal", "x");
  EXPECT_EQ(fault(), "no error");
}

TEST_F(Verifying, NotAllOfManyFaultsAreTold) {
  std::map<std::string, std::string> hashes{{"a", sha256_hex("one")}, {"part/b", sha256_hex("two")}};
  for (std::size_t i = 0; i < most_told_faults + 5; ++i) hashes["x" + std::to_string(i)] = some_hash;
  write(hashes);
  EXPECT_THAT(fault(), AllOf(HasSubstr("105 files are not"), HasSubstr("and 5 more")));
}

TEST_F(Verifying, WithoutAManifestNothingIs) {
  std::filesystem::remove(folder.path() / "MANIFEST.sha256");
  EXPECT_THAT(fault(), AllOf(HasSubstr("MANIFEST.sha256: is not there"), HasSubstr("sha256sum")));
}

TEST(Manifest, IsLookedForBesideAGgufFile) {
  const TemporaryFolder folder;
  EXPECT_EQ(folder_of(folder.path()), folder.path());
  EXPECT_EQ(folder_of(folder.write("a.gguf", "")), folder.path());
  EXPECT_EQ(folder_of("a.gguf"), ".");
}

}  // namespace
}  // namespace troupe::launch::pull
