// The launch by mpirun: who this process is among those that it started, and the one message that they need
// of each other. From MPI_Init to MPI_Finalize; afterwards MPI is left alone, since a dead rank would hang
// the others in it. Main thread only, once a process.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::transport {

class MpiLaunch {
 public:
  // True under mpirun.
  static bool present();

  // Takes back the CPU affinity that mpirun set, so that workers may run anywhere.
  MpiLaunch();
  ~MpiLaunch();  // finalises
  MpiLaunch(const MpiLaunch&) = delete;
  MpiLaunch& operator=(const MpiLaunch&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  int on_host() const { return on_host_; }  // how many run on this host, this one among them
  bool one_host() const { return on_host_ == size_; }
  // What rank 0 says; every rank calls it. Waits for rank 0.
  std::string broadcast(std::string text) const;
  // To all other processes, without waiting for any of them.
  void tell_others(const std::string& text);
  // What another one has told, if something has come.
  std::optional<std::string> heard();

 private:
  struct Sent;

  int rank_ = 0, size_ = 1, on_host_ = 1;
  std::vector<std::unique_ptr<Sent>> sent_;
};

}  // namespace troupe::transport
