// The worker processes of one node: starts, watches and ends them. A thread of its own is their parent,
// notices an exit at once (pidfd) and looks at their ticks several times within the limit for hangs. Memory that a
// worker asks it to hold is there for the rank's next life. Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/memory_file.hpp"
#include "runtime/recovery/hang_watch.hpp"
#include "runtime/recovery/worker_life.hpp"
#include "runtime/recovery/worker_order.hpp"

namespace troupe::runtime {

// Called from the watching thread.
struct WorkerEvents {
  std::function<void(const WorkerSeen&, const std::string& how)> exited;
  std::function<void(const WorkerSeen&, Hang)>
      hangs;  // it is not ended yet; told again after each further limit
  std::function<void(const std::vector<WorkerSeen>&)> ticks;
};

class WorkerProcesses {
 public:
  // program: arguments before which nothing comes, such as {"troupe", "worker"}. shared: files that every worker
  // inherits.
  WorkerProcesses(std::vector<std::string> program, std::vector<FileDescriptor> shared, WorkerEvents events);
  ~WorkerProcesses();  // ends all of them

  // A process that cannot be started is told as an exit.
  void start(const WorkerOrder& order);
  void kill(WorkerLife life);  // SIGKILL; another life of the rank is left alone
  std::vector<WorkerSeen> living() const;

 private:
  struct Process;

  void run();
  bool obey();
  void begin(const WorkerOrder& order);
  std::unique_ptr<Process> spawn(const WorkerOrder& order);
  void hold_what_is_left(const Process& process);
  void wait_for_news();
  void look();

  const std::vector<std::string> program_;
  const WorkerEvents events_;
  const std::vector<FileDescriptor> shared_;
  const FileDescriptor wake_;  // eventfd

  mutable std::mutex mutex_;
  std::vector<WorkerOrder> ordered_;
  std::vector<WorkerLife> condemned_;
  std::map<std::int32_t, std::unique_ptr<Process>> by_rank_;  // changed by the watching thread alone
  bool stopping_ = false;
  TimePoint last_ticks_{};
  std::map<std::int32_t, HeldMemory> held_;  // by rank; of the watching thread alone
  std::thread thread_;
};

}  // namespace troupe::runtime
