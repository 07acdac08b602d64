// A checkpoint: a folder in Hugging Face's layout (config.json and safetensors, one file or a sharded index), or a GGUF
// file (or set), whose tensors have the same names here. Opening it checks every header against the config; weights are
// mapped, and read only when asked for.
// Immutable; any thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/checkpoint/safetensors.hpp"
#include "model/config.hpp"

namespace troupe::model {

constexpr std::size_t max_index_bytes = std::size_t(64) << 20;
constexpr std::size_t max_shards = 4096;

class Checkpoint {
 public:
  // Throws Error with file and tensor names for whatever is missing, extra, truncated, overlapping,
  // oversized, or of a wrong shape or type. A prediction layer may be missing, whole or in part.
  static Checkpoint open(const std::filesystem::path& folder_or_gguf);

  // One that is not here, of a config.json that is: its tensors have names, shapes, types and sizes, and no bytes that
  // anybody may read. name: also in place of a folder's. Throws Error as parse_config does.
  static Checkpoint outline(const std::string& config_text, const std::string& name);

  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  // The folder, or the GGUF file.
  const std::filesystem::path& folder() const;
  // What it is called: the folder's name, or what the file says, if that is text of one line and not empty, or its name.
  const std::string& name() const;
  // Tells it from others, and from what was in the folder before: its files, their sizes and when they were written.
  const std::string& identity() const;
  // The text of config.json, or what it would be.
  const std::string& config_text() const;
  // As config.json has it, but for num_nextn_predict_layers: those prediction layers that are whole.
  const ModelConfig& config() const;
  // A tensor that the config calls for (CHECKed: open() has verified them all), such as "model.norm.weight".
  const StoredTensor& tensor(std::string_view name) const;
  bool has(std::string_view name) const;
  // Of all tensors that a decoder loads; with prediction, at most, those of the prediction layer, too.
  std::size_t total_bytes(bool prediction = false) const;
  std::vector<std::string> names() const;  // of all tensors in the files that are of use, sorted
  // What an operator may want to know although the checkpoint is served: a sentence each, without a full stop.
  const std::vector<std::string>& notes() const;

 private:
  struct Contents;
  explicit Checkpoint(std::unique_ptr<Contents> contents);
  std::unique_ptr<Contents> contents_;
};

// Of a checkpoint whose tensors are not looked at. Throws Error.
ModelConfig config_of(const std::filesystem::path& folder_or_gguf);

}  // namespace troupe::model
