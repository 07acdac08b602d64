#include "runtime/recovery/worker_processes.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/base/error.hpp"
#include "runtime/base/log.hpp"

namespace troupe::runtime {
namespace {

constexpr std::chrono::milliseconds look_interval{20}, ticks_interval{40};

std::pair<FileDescriptor, FileDescriptor> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw Error(std::strerror(errno), "pipe");
  return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

}  // namespace

struct WorkerProcesses::Process {
  Process(const WorkerOrder& order, const std::vector<std::string>& program, std::span<const int> files,
          const FileDescriptor& tick_file, FileDescriptor alive, FileDescriptor memory)
      : life(order.start.life),
        ticks(tick_file),
        alive_end(std::move(alive)),
        memory_end(std::move(memory)),
        watch(order.start.hang_limit),
        child(program, environment_of_worker(order.environment), files) {}

  WorkerSeen seen(TimePoint now, const Tick& tick) const {
    return {life, child.pid(), watch.silence(now), watch.waited(), tick};
  }

  const WorkerLife life;
  const Shared<TickBoard> ticks;
  const FileDescriptor alive_end;   // closed when this process ends, however it ends
  const FileDescriptor memory_end;  // where it says what is to be held of it
  HangWatch watch;
  ChildProcess child;
};

WorkerProcesses::WorkerProcesses(std::vector<std::string> program, std::vector<FileDescriptor> shared,
                                 WorkerEvents events)
    : program_(std::move(program)),
      events_(std::move(events)),
      shared_(std::move(shared)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { run(); }) {
  CHECK(bool(wake_), "eventfd");
}

WorkerProcesses::~WorkerProcesses() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  eventfd_write(wake_.get(), 1);
  thread_.join();
}

void WorkerProcesses::start(const WorkerOrder& order) {
  const std::lock_guard lock(mutex_);
  ordered_.push_back(order);
  eventfd_write(wake_.get(), 1);
}

void WorkerProcesses::kill(WorkerLife life) {
  const std::lock_guard lock(mutex_);
  condemned_.push_back(life);
  eventfd_write(wake_.get(), 1);
}

std::vector<WorkerSeen> WorkerProcesses::living() const {
  const std::lock_guard lock(mutex_);
  std::vector<WorkerSeen> all;
  for (const auto& [rank, process] : by_rank_) all.push_back(process->seen(now(), process->ticks->read()));
  return all;
}

void WorkerProcesses::run() {
  while (obey()) {
    wait_for_news();
    look();
  }
  const std::lock_guard lock(mutex_);
  by_rank_.clear();  // by the thread that is their parent
}

// False: all is to end.
bool WorkerProcesses::obey() {
  std::vector<WorkerOrder> orders;
  std::vector<WorkerLife> condemned;
  {
    // Together, so that whom a kill was meant for has been started.
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    orders.swap(ordered_);
    condemned.swap(condemned_);
  }
  for (const WorkerOrder& order : orders) begin(order);
  for (const WorkerLife& life : condemned)
    if (const auto found = by_rank_.find(life.rank); found != by_rank_.end() && found->second->life == life)
      found->second->child.kill(SIGKILL);
  return true;
}

// A new life ends the one before it.
void WorkerProcesses::begin(const WorkerOrder& order) {
  std::unique_ptr<Process> process, before;
  try {
    process = spawn(order);
  } catch (const Error& error) {
    return events_.exited({order.start.life, 0, {}, {}, {}}, error.what());
  }
  log_event(LogLevel::info, "worker_started",
            {{"rank", order.start.life.rank},
             {"incarnation", order.start.life.incarnation},
             {"pid", process->child.pid()}});
  const std::lock_guard lock(mutex_);
  before = std::exchange(by_rank_[order.start.life.rank], std::move(process));
}

std::unique_ptr<WorkerProcesses::Process> WorkerProcesses::spawn(const WorkerOrder& order) {
  const FileDescriptor ticks = shared_memory_file("troupe-ticks", sizeof(TickBoard));
  new (&*Shared<TickBoard>(ticks)) TickBoard;
  const std::vector<HeldFile>& held = held_[order.start.life.rank].files();
  WorkerOrder told = order;
  for (const HeldFile& file : held) told.held.push_back(file.piece);
  const FileDescriptor text = memory_file("troupe-order", to_text(told));
  auto [alive_read, alive_write] = make_pipe();
  auto [memory_end, its_memory_end] = held_memory_sockets();
  // As InheritedFiles has them.
  std::vector<int> files{text.get(), ticks.get(), alive_read.get(), its_memory_end.get()};
  for (const FileDescriptor& file : shared_) files.push_back(file.get());
  for (const HeldFile& file : held) files.push_back(file.file.get());
  return std::make_unique<Process>(order, program_, files, ticks, std::move(alive_write),
                                   std::move(memory_end));
}

// Of one that faulted nothing is trusted. Who was killed, or ended by itself, has written there before and not since.
void WorkerProcesses::hold_what_is_left(const Process& process) {
  HeldMemory& held = held_[process.life.rank];
  held.receive(process.memory_end);
  if (process.child.faulted()) held.clear();
}

void WorkerProcesses::wait_for_news() {
  std::vector<pollfd> descriptors{{wake_.get(), POLLIN, 0}};
  for (const auto& [rank, process] : by_rank_) descriptors.push_back({process->child.pidfd(), POLLIN, 0});
  poll(descriptors.data(), descriptors.size(), int(look_interval.count()));
  eventfd_t woken = 0;
  eventfd_read(wake_.get(), &woken);
}

void WorkerProcesses::look() {
  const TimePoint at = now();
  std::vector<WorkerSeen> all;
  for (auto each = by_rank_.begin(); each != by_rank_.end();) {
    Process& process = *each->second;
    const Tick tick = process.ticks->read();
    if (process.child.ended()) {
      const auto last = process.seen(at, tick);
      const std::string how = process.child.how();
      hold_what_is_left(process);
      {
        const std::lock_guard lock(mutex_);
        each = by_rank_.erase(each);
      }
      events_.exited(last, how);  // who asks now who lives does not find it
      continue;
    }
    held_[process.life.rank].receive(process.memory_end);
    std::unique_lock lock(mutex_);  // living() asks the watch too
    const auto hang = process.watch.look(at, tick, [&] { return sample_process(process.child.pid()); });
    lock.unlock();
    all.push_back(process.seen(at, tick));
    if (hang) events_.hangs(all.back(), *hang);
    ++each;
  }
  if (at - last_ticks_ < ticks_interval) return;
  last_ticks_ = at;
  events_.ticks(all);
}

}  // namespace troupe::runtime
