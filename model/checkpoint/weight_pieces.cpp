#include "model/checkpoint/weight_pieces.hpp"

#include "runtime/base/error.hpp"
#include "runtime/base/log.hpp"

namespace troupe::model {

std::optional<std::string> WeightPieces::note(const PieceName& name) const {
  const HeldPiece* const held = keeper_ ? keeper_->find(name.whole(), contents_) : nullptr;
  return held ? std::optional(held->note) : std::nullopt;
}

std::size_t WeightPieces::counted(bool on_host) const {
  std::size_t bytes = 0;
  for (const auto& [name, piece] : pieces_)
    if (name.on_host == on_host) bytes += piece.storage.taken();
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
    if (!piece.filled) piece.memory = allocate(bytes, name.on_host);
    piece.storage = Storage(ops_);
    piece.storage.reserve(piece.memory.memory, bytes);
  }
}

kernels::LastingMemory WeightPieces::allocate(std::size_t bytes, bool on_host) {
  std::size_t all = 0;
  for (const auto& [name, piece] : pieces_)
    if (name.on_host == on_host) all += piece.memory.bytes;
  const std::string weights = "weights of " + std::to_string(all) + " bytes";
  try {
    return on_host ? ops_.allocate_on_host(bytes) : allocate_of_device(bytes);
  } catch (const Error& error) {
    if (on_host) throw Error(error.what(), weights + " in the host's memory", "or lower --cpu-offload-gb");
    throw Error(error.what(), weights, "or spread the model over more ranks");
  }
}

kernels::LastingMemory WeightPieces::allocate_of_device(std::size_t bytes) {
  return keeper_ ? ops_.allocate_lasting(bytes) : kernels::LastingMemory{ops_.allocate(bytes), bytes, {}};
}

// Null: there is none, or none that can be used.
std::shared_ptr<void> WeightPieces::adopt(const PieceName& name, std::size_t bytes) {
  auto held = keeper_ ? keeper_->take(name.whole(), contents_) : std::nullopt;
  if (!held) return nullptr;
  try {
    if (held->piece.bytes != bytes)
      throw Error("has " + std::to_string(held->piece.bytes) + " bytes instead of " + std::to_string(bytes),
                  name.whole());
    return name.on_host ? ops_.adopt_on_host(std::move(held->file), bytes)
                        : ops_.adopt(std::move(held->file), bytes);
  } catch (const Error& error) {
    log_event(LogLevel::warning, "weights_not_kept", {{"piece", name.whole()}, {"error", error.what()}});
    keeper_->drop(name.whole());
    return nullptr;
  }
}

void WeightPieces::keep(const PieceName& noted, const std::string& note) {
  for (auto& [name, piece] : pieces_) {
    CHECK(piece.storage.taken() == piece.memory.bytes, "weights that were counted otherwise");
    if (piece.filled || !keeper_) continue;
    if (ops_.seal(piece.memory))
      keeper_->keep({name.whole(), contents_, name == noted ? note : "", piece.memory.bytes},
                    piece.memory.file);
    else
      log_event(LogLevel::warning, "weights_not_kept",
                {{"piece", name.whole()}, {"error", "cannot be sealed"}});
    piece.memory.file = {};
  }
}

void WeightPieces::drop(const PieceName& name) {
  if (keeper_) keeper_->drop(name.whole());
}

}  // namespace troupe::model
