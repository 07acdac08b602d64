// What holds the memory of a process' lives, as a node does, in a test.
#pragma once

#include "runtime/base/held_memory.hpp"

namespace troupe {

class HeldBy {
 public:
  // The one before has ended. Nothing of it is held that it has not said by then.
  MemoryKeeper next_life() {
    auto [ours, its] = held_memory_sockets();
    std::vector<HeldFile> inherited;
    for (const HeldFile& held : files())
      inherited.push_back({held.piece, FileDescriptor(dup(held.file.get()))});
    end_ = std::move(ours);
    return {std::move(inherited), std::move(its)};
  }
  const std::vector<HeldFile>& files() {
    if (end_) held_.receive(end_);
    return held_.files();
  }

 private:
  HeldMemory held_;
  FileDescriptor end_;
};

}  // namespace troupe
