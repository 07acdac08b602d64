// By what the processes of a replica know each other: PEM texts for mutual TLS, and the memory files in which
// they never touch a disk. Plain values; any thread.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/memory_file.hpp"

namespace troupe::actors {

struct TlsIdentity {
  std::string authority, certificate, key;

  std::vector<FileDescriptor> memory_files() const {  // in this order
    std::vector<FileDescriptor> files;
    files.push_back(memory_file("troupe-authority", authority));
    files.push_back(memory_file("troupe-certificate", certificate));
    files.push_back(memory_file("troupe-key", key));
    return files;
  }
  // Takes those that a process inherited, the first under this number.
  static TlsIdentity take(int first) {
    return {take_memory_file(first), take_memory_file(first + 1), take_memory_file(first + 2)};
  }
  static constexpr int files = 3;
};

}  // namespace troupe::actors
