#include "model/checkpoint.hpp"

#include <map>
#include <set>

#include "model/expected_tensors.hpp"
#include "model/json/parse.hpp"
#include "model/json/value.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

namespace fs = std::filesystem;

struct Checkpoint::Contents {
  fs::path folder;
  std::string identity;
  ModelConfig config;
  std::vector<SafetensorsFile> files;  // keep the mappings that tensors point into
  LocatedTensors tensors;
  TensorBytes bytes;
  std::vector<std::string> notes;
};

namespace {

// File name: tensors that the index puts there.
using ShardMap = std::map<std::string, std::set<std::string>>;

// Index entries are file names in the folder, nothing else: a checkpoint must not make us open other files.
void check_shard_name(const std::string& name, const std::string& where) {
  const bool plain = name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
  if (!plain || !name.ends_with(".safetensors")) {
    throw Error(
        "weight_map names " + nlohmann::json(name).dump() + ", which is no .safetensors file of its folder",
        where);
  }
}

ShardMap read_index(const fs::path& index) {
  const nlohmann::json json = load_json(index, max_index_bytes);
  const std::string where = index.string();
  const JsonValue weights = JsonValue(json, where)["weight_map"];
  if (!weights.value().is_object()) weights.fail("must map tensors to files");
  ShardMap shards;
  for (const auto& [tensor, file] : weights.value().items()) {
    if (!file.is_string()) weights.fail("must map tensors to file names");
    const auto& name = file.get_ref<const std::string&>();
    check_shard_name(name, where);
    shards[name].insert(tensor);
    if (shards.size() > max_shards) {
      weights.fail("names more files than max_shards, " + std::to_string(max_shards));
    }
  }
  return shards;
}

// The file must hold what the index puts there, and nothing else.
void check_against_index(const SafetensorsFile& file, const std::set<std::string>& listed) {
  const std::string where = file.path().string();
  for (const std::string& name : listed) {
    if (!file.tensors().contains(name))
      throw Error("the index puts tensor " + name + " here; it is missing", where);
  }
  for (const auto& [name, tensor] : file.tensors()) {
    if (!listed.contains(name))
      throw Error("holds tensor " + name + ", which the index does not put here", where);
  }
}

// Two names of one file, by links, are one shard too many.
void check_distinct(const fs::path& folder, const ShardMap& shards) {
  std::map<fs::path, std::string> names;  // of files that links lead to
  for (const auto& [name, listed] : shards) {
    std::error_code missing;  // which opening it tells
    const fs::path file = fs::canonical(folder / name, missing);
    if (missing) continue;
    if (const auto [same, is_first] = names.emplace(file, name); !is_first)
      throw Error("is the same file as " + same->second + "; the index lists both as shards",
                  (folder / name).string());
  }
}

std::vector<SafetensorsFile> open_files(const fs::path& folder) {
  std::vector<SafetensorsFile> files;
  const fs::path single = folder / "model.safetensors", index = folder / "model.safetensors.index.json";
  std::error_code ignored;
  if (fs::exists(single, ignored)) {
    files.push_back(SafetensorsFile::open(single));
  } else if (fs::exists(index, ignored)) {
    const ShardMap shards = read_index(index);
    check_distinct(folder, shards);
    for (const auto& [name, listed] : shards) {
      files.push_back(SafetensorsFile::open(folder / name));
      check_against_index(files.back(), listed);
    }
  } else {
    throw Error("has neither model.safetensors nor model.safetensors.index.json", folder.string(),
                "give the folder of a checkpoint in Hugging Face's layout");
  }
  return files;
}

// Of a file.
std::string identity_of(const fs::path& file) {
  const auto written = fs::last_write_time(file).time_since_epoch().count();
  return fs::canonical(file).string() + " " + std::to_string(fs::file_size(file)) + " " +
         std::to_string(written) + "\n";
}

std::vector<std::string> notes_on(const std::vector<std::string>& unknown_fields,
                                  const std::vector<std::string>& passed_over,
                                  const std::string& prediction) {
  std::vector<std::string> notes;
  if (!unknown_fields.empty()) {
    std::string names;
    for (const std::string& name : unknown_fields) names += (names.empty() ? "" : ", ") + name;
    notes.push_back("config.json has fields that are not known here, and are taken to change nothing: " +
                    names);
  }
  if (!passed_over.empty())
    notes.push_back(std::to_string(passed_over.size()) + " tensors are passed over, such as " +
                    passed_over.front() + ": what they say is known without them");
  if (!prediction.empty()) notes.push_back(prediction);
  return notes;
}

}  // namespace

Checkpoint Checkpoint::open(const fs::path& folder) {
  std::error_code failure;
  if (!fs::is_directory(folder, failure))
    throw Error("no such folder", folder.string(), "give a checkpoint's folder");
  auto contents = std::make_unique<Contents>();
  contents->folder = folder;
  contents->config = load_config(folder / "config.json");
  contents->files = open_files(folder);
  std::vector<std::string> passed_over;
  for (const SafetensorsFile& file : contents->files) {
    for (const auto& [name, tensor] : file.tensors()) {
      if (says_nothing_new(contents->config, name))
        passed_over.push_back(name);
      else
        contents->tensors.emplace(name, LocatedTensor{tensor, file.path().string()});
    }
  }
  contents->identity = identity_of(folder / "config.json");
  for (const SafetensorsFile& file : contents->files) contents->identity += identity_of(file.path());
  const CheckedTensors checked = check_tensors(contents->config, contents->tensors, folder.string());
  contents->bytes = checked.bytes;
  contents->config.num_nextn_predict_layers = checked.prediction_layers;
  contents->notes = notes_on(contents->config.unknown_fields, passed_over, checked.note);
  return Checkpoint(std::move(contents));
}

Checkpoint::Checkpoint(std::unique_ptr<Contents> contents) : contents_(std::move(contents)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

const fs::path& Checkpoint::folder() const {
  return contents_->folder;
}
const std::string& Checkpoint::identity() const {
  return contents_->identity;
}
const ModelConfig& Checkpoint::config() const {
  return contents_->config;
}

const StoredTensor& Checkpoint::tensor(std::string_view name) const {
  const auto found = contents_->tensors.find(name);
  CHECK(found != contents_->tensors.end(), name);
  return found->second.stored;
}

bool Checkpoint::has(std::string_view name) const {
  return contents_->tensors.contains(name);
}

const std::vector<std::string>& Checkpoint::notes() const {
  return contents_->notes;
}

std::size_t Checkpoint::total_bytes(bool prediction) const {
  return contents_->bytes.decoder + (prediction ? contents_->bytes.prediction : 0);
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : contents_->tensors) names.push_back(name);
  return names;
}

}  // namespace troupe::model
