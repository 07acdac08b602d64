// Memory that has a file descriptor, so that a child process
// can inherit it, and no name, so that nobody else can open it.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/file_descriptor.hpp"

namespace troupe {

// Holds the text, and cannot be changed any more. name: for /proc/PID/fd. Throws Error.
FileDescriptor memory_file(const std::string& name, std::string_view text);
// The same, zeroed and to be mapped.
FileDescriptor shared_memory_file(const std::string& name, std::size_t bytes);
// Zeroed, and to be sealed by whoever has filled it.
FileDescriptor lasting_memory_file(const std::string& name, std::size_t bytes);
// What a memory_file that was inherited as fd holds; closes it. Throws Error.
std::string take_memory_file(int fd);

// Maps a T that lies at the beginning of a shared_memory_file. Thread-safe as T is.
template <class T>
class Shared {
 public:
  explicit Shared(const FileDescriptor& file);  // Throws Error
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared();
  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }

 private:
  T* object_;
};

void* map_shared(const FileDescriptor& file, std::size_t bytes);
void unmap_shared(void* memory, std::size_t bytes);

template <class T>
Shared<T>::Shared(const FileDescriptor& file) : object_(static_cast<T*>(map_shared(file, sizeof(T)))) {}
template <class T>
Shared<T>::~Shared() {
  unmap_shared(object_, sizeof(T));
}

}  // namespace troupe
