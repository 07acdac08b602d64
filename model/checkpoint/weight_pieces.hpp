// The memory that a rank's weights are in, by pieces that come and go as a whole and are known by name: each is one
// allocation. What is to be in them is planned twice: first it is only counted, then, once take() has the memory, it has
// its places. A piece that an earlier life of the rank has left is mapped as it is, and nothing in it is read. Owned by
// the thread that loads a decoder.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "model/graphs/storage.hpp"
#include "runtime/base/held_memory.hpp"

namespace troupe::model {

class WeightPieces {
 public:
  // All outlive it. keeper: of what a later life is to have; may be null. contents: a fingerprint of all that decides
  // what the pieces of a name hold.
  WeightPieces(kernels::Ops& ops, MemoryKeeper* keeper, std::string contents)
      : ops_(ops), keeper_(keeper), contents_(std::move(contents)) {}

  // Where the piece's weights go: to be counted until take(), then for good.
  Storage& storage(const std::string& name) { return piece(name).storage; }
  bool filled(const std::string& name) { return piece(name).filled; }  // there is nothing to be read
  std::shared_ptr<void> memory(const std::string& name) { return piece(name).memory.memory; }
  // What note keep() was given, if an earlier life has left the piece.
  std::optional<std::string> note(const std::string& name) const;

  // Bytes of all that was counted so far; before take().
  std::size_t counted() const;
  // Memory for all that was counted. Throws Error when the device has not enough.
  void take();
  // All of it is read, and will not change. note: of the piece of this name, for a later life.
  void keep(const std::string& name, const std::string& note);
  // The piece is of no use any more.
  void drop(const std::string& name);

 private:
  struct Piece {
    Storage storage;
    kernels::LastingMemory memory{};
    bool filled = false;
  };
  Piece& piece(const std::string& name) {
    return pieces_.try_emplace(name, Piece{Storage::counting(ops_)}).first->second;
  }
  kernels::LastingMemory allocate(std::size_t bytes);
  std::shared_ptr<void> adopt(const std::string& name, std::size_t bytes);

  kernels::Ops& ops_;
  MemoryKeeper* const keeper_;
  const std::string contents_;
  std::map<std::string, Piece> pieces_;
};

}  // namespace troupe::model
