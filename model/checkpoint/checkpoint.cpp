#include "model/checkpoint/checkpoint.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "model/checkpoint/expected_tensors.hpp"
#include "model/checkpoint/outline.hpp"
#include "model/checkpoint/quantised/quantised_weights.hpp"
#include "model/gguf/gguf_config.hpp"
#include "model/gguf/gguf_tensors.hpp"
#include "model/json/parse.hpp"
#include "model/json/value.hpp"
#include "model/tokenizer/utf8.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/file.hpp"

namespace troupe::model {

namespace fs = std::filesystem;

struct Checkpoint::Contents {
  fs::path folder;
  std::string name, identity, config_text;
  ModelConfig config;
  // Keep the mappings that tensors point into.
  std::vector<SafetensorsFile> files;
  std::vector<GgufFile> gguf;
  LocatedTensors tensors;
  TensorBytes bytes;
  std::vector<std::string> notes;

  void open_folder();
  void open_gguf_set();
  // Checks tensors against the config, of which the prediction layers that are whole remain.
  void check(const std::string& where);
  // Leaves out, and names, tensors that say nothing that is not known without them.
  std::vector<std::string> pass_over();
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

// Not of what a link leads to; "/models/x/" and "." have names, too.
std::string name_of(const fs::path& folder) {
  const fs::path whole = fs::absolute(folder).lexically_normal();
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

// It goes into answers.
bool is_name(std::string_view name) {
  const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7F; };
  return !name.empty() && is_utf8(name) && std::ranges::none_of(name, is_control);
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

void Checkpoint::Contents::open_folder() {
  std::error_code failure;
  if (!fs::is_directory(folder, failure))
    throw Error("no such folder", folder.string(),
                "give a checkpoint's folder, or a file whose name ends in .gguf");
  name = name_of(folder);
  config_text = read_file(folder / "config.json", limits::config_bytes);
  config = load_config(folder / "config.json");
  files = open_files(folder);
  identity = identity_of(folder / "config.json");
  if (const fs::path beside = folder / "hf_quant_config.json"; fs::exists(beside, failure))
    identity += identity_of(beside);
  for (const SafetensorsFile& file : files) {
    identity += identity_of(file.path());
    for (const auto& [key, tensor] : file.tensors())
      tensors.emplace(key, LocatedTensor{tensor, file.path().string()});
  }
  if (config.quantisation) join_quantised_weights(config, tensors);
  if (config.fp8)
    for (auto& [key, tensor] : tensors)
      if (tensor.stored.dtype == kernels::DType::f8_e4m3) tensor.stored.scale_blocks = config.fp8;
}

void Checkpoint::Contents::open_gguf_set() {
  gguf = open_gguf(folder);
  const GgufFile& first = gguf.front();
  if (first.has("general.name")) name = first.at("general.name").text();
  if (!is_name(name)) name = folder.stem().string();
  const nlohmann::json keys = gguf_config(gguf);
  config_text = keys.dump();
  config = parse_config(keys, folder.string());
  for (const GgufFile& file : gguf) identity += identity_of(file.path());
  tensors = gguf_tensors(gguf);
}

std::vector<std::string> Checkpoint::Contents::pass_over() {
  std::vector<std::string> passed;
  for (const auto& [key, tensor] : tensors)
    if (says_nothing_new(config, key)) passed.push_back(key);
  for (const std::string& key : passed) tensors.erase(key);
  return passed;
}

void Checkpoint::Contents::check(const std::string& where) {
  const std::vector<std::string> passed_over = pass_over();
  const CheckedTensors checked = check_tensors(config, tensors, where);
  bytes = checked.bytes;
  config.num_nextn_predict_layers = checked.prediction_layers;
  notes = notes_on(config.unknown_fields, passed_over, checked.note);
}

Checkpoint Checkpoint::open(const fs::path& folder_or_gguf) {
  auto contents = std::make_unique<Contents>();
  contents->folder = folder_or_gguf;
  is_gguf(folder_or_gguf) ? contents->open_gguf_set() : contents->open_folder();
  contents->check(folder_or_gguf.string());
  return Checkpoint(std::move(contents));
}

Checkpoint Checkpoint::outline(const std::string& config_text, const std::string& name) {
  auto contents = std::make_unique<Contents>();
  contents->folder = contents->name = contents->identity = name;
  contents->config_text = config_text;
  contents->config = parse_config(parse_json(config_text, name), name);
  contents->tensors = outlined_tensors(contents->config);
  contents->check(name);
  return Checkpoint(std::move(contents));
}

Checkpoint::Checkpoint(std::unique_ptr<Contents> contents) : contents_(std::move(contents)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

const fs::path& Checkpoint::folder() const {
  return contents_->folder;
}
const std::string& Checkpoint::name() const {
  return contents_->name;
}
const std::string& Checkpoint::config_text() const {
  return contents_->config_text;
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

ModelConfig config_of(const fs::path& folder_or_gguf) {
  if (!is_gguf(folder_or_gguf)) return load_config(folder_or_gguf / "config.json");
  return parse_config(gguf_config(open_gguf(folder_or_gguf)), folder_or_gguf.string());
}

}  // namespace troupe::model
