#include "model/gguf/gguf_file.hpp"

#include <cstdio>
#include <regex>
#include <set>

#include "model/gguf/gguf_header.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

namespace fs = std::filesystem;

GgufFile GgufFile::open(const fs::path& path) {
  GgufFile file;
  file.path_ = path;
  file.mapping_ = MappedFile::open(path);
  GgufHeader(file, file.mapping_.bytes()).read();
  return file;
}

const GgufValue& GgufFile::at(std::string_view key) const {
  const auto found = keys_.find(key);
  if (found == keys_.end()) throw Error("is missing", path_.string() + ": " + std::string(key));
  return found->second;
}

bool is_gguf(const fs::path& path) {
  return path.extension() == ".gguf";
}

namespace {

// Of NAME-00002-of-00003.gguf.
struct SplitName {
  std::string name;
  std::int64_t files = 0;

  fs::path of(std::int64_t file) const {
    char numbers[32];
    std::snprintf(numbers, sizeof numbers, "-%05d-of-%05d.gguf", int(file + 1), int(files));
    return name + numbers;
  }
};

SplitName split_name(const fs::path& path, std::int64_t files) {
  static const std::regex form("(.*)-([0-9]{5})-of-([0-9]{5})\\.gguf");
  const std::string name = path.filename().string();
  std::smatch parts;
  if (!std::regex_match(name, parts, form) || std::stoll(parts[3]) != files)
    throw Error("is one of " + std::to_string(files) + " files, and is not called NAME-00001-of-0000N.gguf",
                path.string(), "give the files the names that they were published with");
  return {parts[1], files};
}

std::int64_t files_of(const GgufFile& file) {
  return file.has("split.count") ? file.at("split.count").integer(0, std::int64_t(max_gguf_splits)) : 1;
}

void check_set(const std::vector<GgufFile>& files) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const GgufFile& file = files[i];
    if (files_of(file) != std::int64_t(files.size()))
      file.at("split.count").fail("differs from that of the set's first file");
    if (file.at("split.no").integer(0, INT64_MAX) != std::int64_t(i))
      file.at("split.no").fail("is not what the file's name says");
    for (const auto& [name, tensor] : file.tensors())
      if (!names.insert(name).second)
        throw Error("is in another file of the set, too", file.path().string() + ": " + name);
  }
  const GgufFile& first = files.front();
  if (!first.has("split.tensors.count")) return;
  const GgufValue& count = first.at("split.tensors.count");
  if (count.integer(0, INT64_MAX) != std::int64_t(names.size()))
    count.fail("is not the number of tensors in the set's files, " + std::to_string(names.size()));
}

}  // namespace

std::vector<GgufFile> open_gguf(const fs::path& path) {
  std::vector<GgufFile> files;
  files.push_back(GgufFile::open(path));
  const std::int64_t count = files_of(files.front());
  if (count <= 1) return files;
  const SplitName names = split_name(path, count);
  files.clear();
  for (std::int64_t i = 0; i < count; ++i) files.push_back(GgufFile::open(path.parent_path() / names.of(i)));
  check_set(files);
  return files;
}

}  // namespace troupe::model
