// The memory that a rank's weights are in, by pieces that come and go as a whole and are known by name: each is one
// allocation. What is to be in them is planned twice: first it is only counted, then, once take() has the memory, it has
// its places. A piece that an earlier life of the rank has left is mapped as it is, and nothing in it is read. Owned by
// the thread that loads a decoder.
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <string>

#include "model/graphs/storage.hpp"
#include "runtime/base/held_memory.hpp"

namespace troupe::model {

// A piece may be in two parts, of which one lies in the host's memory, where the device reads it.
struct PieceName {
  std::string text;
  bool on_host = false;

  std::string whole() const { return on_host ? text + " on the host" : text; }
  auto operator<=>(const PieceName&) const = default;
};

class WeightPieces {
 public:
  // All outlive it. keeper: of what a later life is to have; may be null. contents: a fingerprint of all that decides
  // what the pieces of a name hold.
  WeightPieces(kernels::Ops& ops, MemoryKeeper* keeper, std::string contents)
      : ops_(ops), keeper_(keeper), contents_(std::move(contents)) {}

  // Where the piece's weights go: to be counted until take(), then for good.
  Storage& storage(const PieceName& name) { return piece(name).storage; }
  bool filled(const PieceName& name) { return piece(name).filled; }  // there is nothing to be read
  // Null for one that nothing is in.
  std::shared_ptr<void> memory(const PieceName& name) const {
    const auto found = pieces_.find(name);
    return found == pieces_.end() ? nullptr : found->second.memory.memory;
  }
  // What note keep() was given, if an earlier life has left the piece.
  std::optional<std::string> note(const PieceName& name) const;

  // Bytes of all that was counted so far, of the device or of the host; before take().
  std::size_t counted(bool on_host = false) const;
  // Memory for all that was counted. Throws Error when the device or the host has not enough.
  void take();
  // All of it is read, and will not change. note: of the piece of this name, for a later life.
  void keep(const PieceName& name, const std::string& note);
  // The piece is of no use any more.
  void drop(const PieceName& name);

 private:
  struct Piece {
    Storage storage;
    kernels::LastingMemory memory{};
    bool filled = false;
  };
  Piece& piece(const PieceName& name) {
    return pieces_.try_emplace(name, Piece{Storage::counting(ops_)}).first->second;
  }
  kernels::LastingMemory allocate(std::size_t bytes, bool on_host);
  kernels::LastingMemory allocate_of_device(std::size_t bytes);
  std::shared_ptr<void> adopt(const PieceName& name, std::size_t bytes);

  kernels::Ops& ops_;
  MemoryKeeper* const keeper_;
  const std::string contents_;
  std::map<PieceName, Piece> pieces_;
};

}  // namespace troupe::model
