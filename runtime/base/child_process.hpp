// A process that this one starts and outlives. Owned by the thread that started it, which must live as long
// as the process is to: when that thread ends, the kernel kills the child.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

#include "runtime/base/file_descriptor.hpp"

namespace troupe {

constexpr int first_inherited_fd = 3;

class ChildProcess {
 public:
  // Runs this very program with the arguments. The child inherits standard input, output and error, and the
  // files, in order, as descriptors 3, 4, ...; no others. environment: "NAME=value". Throws Error.
  ChildProcess(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
               std::span<const int> files);
  // Kills it if it still lives, and waits for its end.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }  // readable once the process has ended
  void kill(int signal);
  // True once it has ended; how() says with what.
  bool ended();
  std::string how() const;  // "exit code 1", "signal 9 (Killed)"
  bool faulted() const;     // by a signal that its own work raised

 private:
  void wait();

  pid_t pid_ = -1;
  FileDescriptor pidfd_;
  bool reaped_ = false;
  int status_ = 0;
};

// This process' environment without the variables whose names begin with one of these.
std::vector<std::string> environment_without(std::span<const char* const> prefixes);

}  // namespace troupe
