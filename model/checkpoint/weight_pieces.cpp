#include "model/checkpoint/weight_pieces.hpp"

#include "runtime/base/error.hpp"
#include "runtime/base/log.hpp"

namespace troupe::model {

std::optional<std::string> WeightPieces::note(const std::string& name) const {
  const HeldPiece* const held = keeper_ ? keeper_->find(name, contents_) : nullptr;
  return held ? std::optional(held->note) : std::nullopt;
}

std::size_t WeightPieces::counted() const {
  std::size_t bytes = 0;
  for (const auto& [name, piece] : pieces_) bytes += piece.storage.taken();
  return bytes;
}

void WeightPieces::take() {
  for (auto& [name, piece] : pieces_) {
    piece.memory.bytes = piece.storage.taken();
    piece.memory.memory = adopt(name, piece.memory.bytes);
    piece.filled = piece.memory.memory != nullptr;
  }
  if (keeper_) keeper_->drop_rest();  // before more is asked of the device
  for (auto& [name, piece] : pieces_) {
    const std::size_t bytes = piece.memory.bytes;
    if (!piece.filled) piece.memory = allocate(bytes);
    piece.storage = Storage(ops_);
    piece.storage.reserve(piece.memory.memory, bytes);
  }
}

kernels::LastingMemory WeightPieces::allocate(std::size_t bytes) {
  try {
    return keeper_ ? ops_.allocate_lasting(bytes) : kernels::LastingMemory{ops_.allocate(bytes), bytes, {}};
  } catch (const Error& error) {
    std::size_t all = 0;
    for (const auto& [name, piece] : pieces_) all += piece.memory.bytes;
    throw Error(error.what(), "weights of " + std::to_string(all) + " bytes",
                "or spread the model over more ranks");
  }
}

// Null: there is none, or none that can be used.
std::shared_ptr<void> WeightPieces::adopt(const std::string& name, std::size_t bytes) {
  auto held = keeper_ ? keeper_->take(name, contents_) : std::nullopt;
  if (!held) return nullptr;
  try {
    if (held->piece.bytes != bytes)
      throw Error("has " + std::to_string(held->piece.bytes) + " bytes instead of " + std::to_string(bytes),
                  name);
    return ops_.adopt(std::move(held->file), bytes);
  } catch (const Error& error) {
    log_event(LogLevel::warning, "weights_not_kept", {{"piece", name}, {"error", error.what()}});
    keeper_->drop(name);
    return nullptr;
  }
}

void WeightPieces::keep(const std::string& noted, const std::string& note) {
  for (auto& [name, piece] : pieces_) {
    CHECK(piece.storage.taken() == piece.memory.bytes, "weights that were counted otherwise");
    if (piece.filled || !keeper_) continue;
    if (ops_.seal(piece.memory))
      keeper_->keep({name, contents_, name == noted ? note : "", piece.memory.bytes}, piece.memory.file);
    else
      log_event(LogLevel::warning, "weights_not_kept", {{"piece", name}, {"error", "cannot be sealed"}});
    piece.memory.file = {};
  }
}

void WeightPieces::drop(const std::string& name) {
  if (keeper_) keeper_->drop(name);
}

}  // namespace troupe::model
