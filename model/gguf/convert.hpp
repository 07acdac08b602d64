// Writes a checkpoint as another: a folder with safetensors, or a GGUF file; in other types, if wanted. Called by one
// thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "model/checkpoint/checkpoint.hpp"
#include "model/checkpoint/quantised/rounding.hpp"

namespace troupe::model {

struct ConvertedTensor {
  std::string name;       // as the new checkpoint has it; of a rounded weight with "weight" at its end
  std::string type;       // "F32", "Q4_K", or a RoundedForm's name
  std::size_t bytes = 0;  // with its scales
  // Of the new weights against the old ones: the root of the mean of squares, relative to that of the old ones; and the
  // largest difference.
  double relative_error = 0, largest_error = 0;
};

struct ConvertOptions {
  // Of matrices, of the embedding and of the head; rows that are no whole blocks of it get a type of the same size or more
  // (Q8_0 for Q6_K, say; F16 in the end). Vectors get it too, or F32 beside blocks; a router keeps its own. Absent: each
  // tensor keeps its type, or gets F32 where the new checkpoint has no such type.
  std::optional<kernels::DType> type{};
  // In place of a type: of the linear weights of decoder layers, which a folder then holds in this form. Those whose rows are
  // no whole groups, embedding, head, routers and vectors are as if there were neither; null: none.
  const RoundedForm* form = nullptr;
  int threads = 2;
  // Weights written so far, and of how many.
  std::function<void(std::size_t done, std::size_t all)> progress{};
  std::function<void(const ConvertedTensor&)> report{};
  // What of the checkpoint's text got lost: a sentence, without a full stop.
  std::function<void(const std::string&)> note{};
};

// out: a file whose name ends in .gguf, which gets no prediction layers, or a folder, which is made and must be empty.
// Throws Error.
void convert(const Checkpoint& checkpoint, const std::filesystem::path& out, const ConvertOptions& options);

}  // namespace troupe::model
