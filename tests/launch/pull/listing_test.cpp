#include "launch/pull/listing.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/error_of.hpp"

namespace troupe::launch::pull {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const std::string some_commit(40, '1'), some_sha256(64, '2'), some_blob(40, '3');

json small(const std::string& name) {
  return {{"rfilename", name}, {"size", 7}, {"blobId", some_blob}};
}
json large(const std::string& name) {
  return {{"rfilename", name},
          {"size", 9},
          {"blobId", some_blob},
          {"lfs", {{"sha256", some_sha256}, {"size", 9}, {"pointerSize", 134}}}};
}
json answer_with(json siblings) {
  return {{"id", "o/m"}, {"sha", some_commit}, {"siblings", std::move(siblings)}};
}
std::string fault_of(const json& json) {
  return error_of([&] { parse_listing(json.dump(), "hub"); });
}

TEST(Listing, OfFilesInGitAndInLargeStorage) {
  const Listing found = parse_listing(answer_with(json::array({large("b"), small("a")})).dump(), "hub");
  EXPECT_EQ(found.commit, some_commit);
  ASSERT_EQ(found.files.size(), 2u);
  EXPECT_EQ(found.files[0].name, "a");
  EXPECT_EQ(found.files[0].size, 7u);
  EXPECT_EQ(found.files[0].hash(), some_blob);
  EXPECT_EQ(found.files[1].hash(), some_sha256);
  EXPECT_EQ(found.files[1].git_blob, "");  // it is that of the pointer
  EXPECT_TRUE(is_commit(some_commit));
  EXPECT_FALSE(is_commit("main"));
}

TEST(Listing, NothingOfItIsTrusted) {
  EXPECT_THAT(error_of([] { parse_listing("<html>", "hub"); }), HasSubstr("hub: does not answer as"));
  EXPECT_THAT(fault_of({{"error", "x"}}), HasSubstr("does not answer as"));
  EXPECT_THAT(fault_of({{"sha", "main"}, {"siblings", json::array()}}), HasSubstr("names no commit"));
  EXPECT_THAT(fault_of({{"sha", some_commit}, {"siblings", 1}}), HasSubstr("lists no files"));
  EXPECT_THAT(fault_of(answer_with(json::array({small("../a")}))),
              HasSubstr("'../a', leads out of the folder"));
  EXPECT_THAT(fault_of(answer_with(json::array({small("a"), small("a")}))),
              HasSubstr("lists a file twice: a"));
  const auto changed = [](json file, const char* pointer, json value) {
    file[json::json_pointer(pointer)] = std::move(value);
    return fault_of(answer_with(json::array({file})));
  };
  EXPECT_THAT(changed(small("a"), "/size", -1), HasSubstr("hub: a: the size is none"));
  EXPECT_THAT(changed(small("a"), "/size", "7"), HasSubstr("the size is none"));
  EXPECT_THAT(changed(large("a"), "/lfs/size", largest_file + 1), HasSubstr("the size is none"));
  EXPECT_THAT(changed(small("a"), "/blobId", "zz"), HasSubstr("tells no hash"));
  EXPECT_THAT(changed(large("a"), "/lfs/sha256", some_sha256.substr(1)), HasSubstr("tells no hash"));
  EXPECT_THAT(changed(large("a"), "/lfs/sha256", nullptr), HasSubstr("tells no hash"));
  EXPECT_THAT(changed(small("a"), "/rfilename", 5), HasSubstr("does not answer as"));
}

}  // namespace
}  // namespace troupe::launch::pull
