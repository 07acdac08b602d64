// Holds the tree to its rooms: who may include whom, who
// may know which library, and what files may be called.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

// A room may include from itself and from those before it, but for those that it shall know nothing of.
struct Room {
  std::string path;
  std::vector<std::string> strangers = {};
};
const std::vector<Room> rooms{
    {"runtime/base"},
    {"config"},
    {"kernels", {"config"}},
    {"transport", {"config"}},
    {"model", {"config"}},
    {"runtime/scheduling", {"config", "kernels", "transport", "model"}},
    {"runtime/execution", {"config"}},
    {"runtime/recovery",
     {"config", "kernels", "transport", "model", "runtime/scheduling", "runtime/execution"}},
    {"runtime/generation", {"config", "kernels", "transport", "runtime/recovery"}},
    {"runtime/lab", {"kernels", "transport", "model"}},
    {"actors/link",
     {"config", "kernels", "transport", "model", "runtime/scheduling", "runtime/execution",
      "runtime/recovery", "runtime/generation", "runtime/lab"}},
    {"actors"},
    {"launch"},
};

struct File {
  std::string path;  // from the project's root
  std::vector<std::string> own_includes, library_includes;
};

bool is_source(const fs::path& path) {
  static const std::set<std::string> endings{".hpp", ".cpp", ".cu", ".cuh"};
  return endings.contains(path.extension().string());
}

File read(const fs::path& path) {
  static const std::regex own("^\\s*#\\s*include \"([^\"]+)\".*"), library("^\\s*#\\s*include <([^>]+)>.*");
  File file{fs::relative(path, SOURCE_DIR).string(), {}, {}};
  std::ifstream in(path);
  std::smatch match;
  for (std::string line; std::getline(in, line);)
    if (std::regex_match(line, match, own))
      file.own_includes.push_back(match[1]);
    else if (std::regex_match(line, match, library))
      file.library_includes.push_back(match[1]);
  return file;
}

std::vector<File> sources() {
  std::vector<File> files;
  for (const std::string folder : {"config", "kernels", "transport", "model", "runtime", "actors", "launch"})
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(SOURCE_DIR) / folder))
      if (entry.is_regular_file() && is_source(entry.path())) files.push_back(read(entry.path()));
  return files;
}

int room_of(const std::string& path) {
  int room = -1;
  std::size_t longest = 0;
  for (std::size_t i = 0; i < rooms.size(); ++i)
    if (path.starts_with(rooms[i].path + "/") && rooms[i].path.size() > longest)
      room = int(i), longest = rooms[i].path.size();
  return room;
}

TEST(Architecture, RoomsIncludeOnlyRoomsAboveThem) {
  ASSERT_GT(sources().size(), 50u);
  for (const File& file : sources())
    for (const std::string& include : file.own_includes) {
      EXPECT_GE(room_of(include), 0) << file.path << " includes " << include
                                     << ": write paths from the project's root";
      EXPECT_LE(room_of(include), room_of(file.path)) << file.path << " includes " << include;
    }
}

TEST(Architecture, RoomsKnowNothingOfStrangers) {
  for (const File& file : sources())
    for (const std::string& include : file.own_includes)
      for (const std::string& stranger : rooms[std::size_t(room_of(file.path))].strangers)
        EXPECT_FALSE(include.starts_with(stranger + "/")) << file.path << " includes " << include;
}

// Whoever drives an executor, a simulator too, needs no model for that.
TEST(Architecture, AnExecutorIsKnownByStepsAlone) {
  EXPECT_EQ(read(fs::path(SOURCE_DIR) / "runtime/execution/executor.hpp").own_includes,
            std::vector<std::string>{"runtime/scheduling/step.hpp"});
}

// A test stands where its subject does: tests/<folder>/<subject>_test.cpp. Tests of a whole replica have folders of their
// own.
TEST(Architecture, TestsMirrorRooms) {
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(SOURCE_DIR) / "tests")) {
    const fs::path folder = fs::relative(entry.path().parent_path(), fs::path(SOURCE_DIR) / "tests");
    if (!entry.path().string().ends_with("_test.cpp") || folder == "." || folder == "recovery") continue;
    EXPECT_TRUE(fs::is_directory(fs::path(SOURCE_DIR) / folder)) << entry.path();
  }
}

TEST(Architecture, ModelPartsKeepTheirOrder) {
  const std::vector<std::string> parts{"model/json/",    "model/output/", "model/tokenizer/",
                                       "model/grammar/", "model/jinja/",  "model/"};
  const auto rank = [&](const std::string& path) {
    return std::ranges::find_if(parts, [&](const auto& part) { return path.starts_with(part); }) -
           parts.begin();
  };
  for (const File& file : sources()) {
    if (!file.path.starts_with("model/")) continue;
    for (const std::string& include : file.own_includes) {
      if (!include.starts_with("model/")) continue;
      EXPECT_LE(rank(include), rank(file.path)) << file.path << " includes " << include;
    }
  }
}

// A model computes through Ops alone: which device they belong to is chosen by whoever makes them.
TEST(Architecture, ModelsKnowNoDevice) {
  for (const File& file : sources()) {
    if (!file.path.starts_with("model/")) continue;
    for (const std::string& include : file.own_includes)
      EXPECT_FALSE(include.starts_with("kernels/cpu/") || include.starts_with("kernels/cuda/"))
          << file.path << " includes " << include;
  }
}

TEST(Architecture, ActorsDoNotReachForDevicesPastTheComputeThreadAndTheWatch) {
  for (const File& file : sources()) {
    const bool reaches = file.path == "actors/compute.cpp" || file.path == "actors/gpu_watch.cpp";
    if (!file.path.starts_with("actors/") || reaches) continue;
    for (const std::string& include : file.own_includes)
      EXPECT_FALSE(include.starts_with("kernels/")) << file.path;
  }
}

TEST(Architecture, LibrariesStayInTheirRooms) {
  struct Rule {
    std::string library;
    std::vector<std::string> rooms;
  };
  const std::vector<Rule> rules{{"caf/", {"actors/"}},
                                {"boost/", {"actors/edge/", "launch/"}},
                                {"prometheus/", {"actors/"}},
                                {"hwy/", {"kernels/"}},
                                {"cuda", {"kernels/cuda/", "transport/nccl/"}},
                                {"spdlog/", {"runtime/base/"}},
                                {"CLI/", {"config/", "launch/"}},
                                {"toml++/", {"config/"}},
                                {"gloo/", {"bench/"}},
                                {"xgrammar/", {"model/grammar/"}}};
  for (const File& file : sources())
    for (const std::string& include : file.library_includes)
      for (const Rule& rule : rules) {
        if (!include.starts_with(rule.library)) continue;
        EXPECT_TRUE(
            std::ranges::any_of(rule.rooms, [&](const auto& room) { return file.path.starts_with(room); }))
            << file.path << " includes <" << include << ">";
      }
}

TEST(Architecture, TheHttpEdgeKnowsNoActors) {
  for (const File& file : sources()) {
    if (!file.path.starts_with("actors/edge/")) continue;
    for (const std::string& include : file.library_includes)
      EXPECT_FALSE(include.starts_with("caf/")) << file.path;
  }
}

TEST(Architecture, NamesSayWhatAFileIsAbout) {
  const std::regex vague(".*(util|helper|misc|common|stuff|manager2).*");
  for (const File& file : sources())
    EXPECT_FALSE(std::regex_match(fs::path(file.path).filename().string(), vague)) << file.path;
}

TEST(Architecture, EverySourceFileIsShortEnoughToHaveOneSubject) {
  for (const File& file : sources()) {
    std::ifstream in(fs::path(SOURCE_DIR) / file.path);
    EXPECT_LE(std::count(std::istreambuf_iterator<char>(in), {}, '\n'), 500) << file.path;
  }
}

}  // namespace
