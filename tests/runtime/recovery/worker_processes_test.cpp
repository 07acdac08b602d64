// The workers are this program itself; an order's network says what they do.
#include "runtime/recovery/worker_processes.hpp"

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>

#include "runtime/base/error.hpp"
#include "runtime/base/log.hpp"

namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;

constexpr int as_told = 0, not_as_told = 1;
constexpr std::chrono::seconds patience{60};
const std::vector<std::string> shared_texts{"an authority", "a certificate", "a key"};

std::vector<FileDescriptor> shared_files() {
  std::vector<FileDescriptor> files;
  for (const std::string& text : shared_texts) files.push_back(memory_file("shared", text));
  return files;
}

bool has_what_it_needs(const WorkerOrder& order) {
  for (std::size_t i = 0; i < shared_texts.size(); ++i)
    if (take_memory_file(InheritedFiles::first_shared + int(i)) != shared_texts[i]) return false;
  return order.host == "host" && order.port == 7 && order.threads == 3 && order.log_level == "error" &&
         !std::getenv("OMPI_TEST") && !std::getenv("TROUPE_TEST") && std::getenv("OTHER_TEST");
}

[[noreturn]] void tick_when_told(TickBoard& ticks) {
  sigset_t told;
  sigemptyset(&told);
  sigaddset(&told, SIGUSR2);
  sigprocmask(SIG_BLOCK, &told, nullptr);
  ticks.piece_done();  // ready
  for (int signal = 0;; ticks.piece_done()) sigwait(&told, &signal);
}

const HeldPiece left_piece{"weights", "of a model", "", 5};

// Leaves memory to the next life, and ends somehow.
[[noreturn]] void leave(const std::string& how) {
  MemoryKeeper keeper({}, FileDescriptor(InheritedFiles::held_memory));
  keeper.keep(left_piece, memory_file("left", "bytes"));
  if (how == "leave_and_fault") {
    signal(SIGSEGV, SIG_DFL);  // a sanitizer would make an exit of it
    raise(SIGSEGV);
  }
  if (how == "leave_and_exit") _exit(3);
  for (;;) pause();
}

bool finds(const WorkerOrder& order) {
  const int file = InheritedFiles::first_shared + int(shared_texts.size());
  return order.held.size() == 1 && order.held[0].name == left_piece.name &&
         order.held[0].contents == left_piece.contents && order.held[0].bytes == left_piece.bytes &&
         take_memory_file(file) == "bytes";
}

int work() {
  const auto order = worker_order(take_memory_file(InheritedFiles::order));
  const FileDescriptor tick_file(InheritedFiles::ticks);
  const Shared<TickBoard> ticks(tick_file);
  const std::string& what = order.network;
  if (what == "needs") return has_what_it_needs(order) ? as_told : not_as_told;
  if (what.starts_with("leave")) leave(what);
  if (what == "find") return finds(order) ? as_told : not_as_told;
  if (what == "exit") {
    ticks->begin_step(2, 5);
    return 3;
  }
  if (what == "environment")
    return std::getenv("GPU") == std::string("3") && std::getenv("OTHER_TEST") == std::string("mine") &&
                   std::getenv("NCCL_DEBUG") == std::string("INFO")
               ? as_told
               : not_as_told;
  if (what == "broken device") {
    ticks->begin_step(2, 5);
    ticks->place = ticks->at_layer(4);
    ticks->device_fault.write({DeviceFaultKind::illegal_address, std::string(200, 'k')});
    raise(SIGKILL);
  }
  if (what == "spin") {
    ticks->begin_step(2, 5);
    for (std::atomic<int> i = 0;; ++i) {
    }
  }
  if (what == "stop") raise(SIGSTOP);
  if (what == "tick") tick_when_told(*ticks);
  for (;;) pause();
}

// Keeps what it is told, and waits for it.
class Watched {
 public:
  explicit Watched(milliseconds hang_limit = std::chrono::hours(1))
      : hang_limit_(hang_limit),
        processes_(std::in_place, std::vector<std::string>{"test", "worker"}, shared_files(),
                   WorkerEvents{.exited =
                                    [this](const auto& seen, const std::string& how) {
                                      note([&] { exits.emplace_back(seen, how); });
                                    },
                                .hangs = [this](const auto& seen,
                                                Hang hang) { note([&] { hangs.emplace_back(seen, hang); }); },
                                .ticks =
                                    [this](const auto& all) {
                                      note([&] {
                                        ticks = all;
                                        ++times_ticked;
                                      });
                                    }}) {}
  ~Watched() { processes_.reset(); }  // first, since it tells until it is gone

  WorkerProcesses& operator*() { return *processes_; }
  void start(const std::string& what, std::int32_t rank = 0, std::uint64_t incarnation = 1,
             Variables environment = {}) {
    processes_->start(
        {{{rank, incarnation}, 1, hang_limit_}, "host", 7, 3, what, "error", false, false, {}, environment});
  }
  void end() { processes_.reset(); }
  template <class Condition>
  bool wait_for(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, condition);
  }
  // The only exit so far, or the next.
  std::pair<WorkerSeen, std::string> wait_for_exit() {
    EXPECT_TRUE(wait_for([&] { return !exits.empty(); }));
    const std::lock_guard lock(mutex_);
    auto first = exits.front();
    exits.erase(exits.begin());
    return first;
  }
  void wait_for_ticks(int times) {
    const int until = times_ticked + times;
    EXPECT_TRUE(wait_for([&] { return times_ticked >= until; }));
  }
  std::vector<WorkerLife> lives() const {
    std::vector<WorkerLife> all;
    for (const auto& seen : processes_->living()) all.push_back(seen.life);
    return all;
  }
  void wait_until_living(std::size_t count) {
    EXPECT_TRUE(wait_for([&] { return ticks.size() == count; }));
  }

  std::vector<std::pair<WorkerSeen, std::string>> exits;
  std::vector<std::pair<WorkerSeen, Hang>> hangs;
  std::vector<WorkerSeen> ticks;
  std::atomic<int> times_ticked = 0;

 private:
  template <class Note>
  void note(Note what) {
    const std::lock_guard lock(mutex_);
    what();
    changed_.notify_all();
  }

  const milliseconds hang_limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<WorkerProcesses> processes_;
};

bool exists(pid_t pid) {
  return kill(pid, 0) == 0;
}

TEST(WorkerProcesses, GiveAWorkerItsOrderAndTheLaunchersVariablesToNobody) {
  setenv("OMPI_TEST", "1", 1);
  setenv("TROUPE_TEST", "1", 1);
  setenv("OTHER_TEST", "1", 1);
  Watched watched;
  watched.start("needs");
  EXPECT_EQ(watched.wait_for_exit().second, "exit code 0");
}

TEST(WorkerProcesses, TellHowAWorkerEndedAndWhatItWasAt) {
  Watched watched;
  watched.start("exit", 3, 9);
  const auto [seen, how] = watched.wait_for_exit();
  EXPECT_EQ(how, "exit code 3");
  EXPECT_EQ(seen.life, (WorkerLife{3, 9}));
  EXPECT_GT(seen.pid, 0);
  EXPECT_FALSE(exists(seen.pid));
  EXPECT_EQ(seen.tick.step, 5u);
  EXPECT_EQ(seen.tick.epoch, 2u);
  EXPECT_TRUE(watched.lives().empty());
}

TEST(WorkerProcesses, GiveAWorkerVariablesOfItsOwn) {
  setenv("OTHER_TEST", "1", 1);
  setenv("NCCL_DEBUG", "INFO", 1);
  Watched watched;
  watched.start("environment", 0, 1, {{"GPU", "3"}, {"OTHER_TEST", "mine"}});
  EXPECT_EQ(watched.wait_for_exit().second, "exit code 0");
}

TEST(WorkerProcesses, TellWhatBecameOfADeviceHoweverItsWorkerEnds) {
  Watched watched;
  watched.start("broken device");
  const auto [seen, how] = watched.wait_for_exit();
  EXPECT_EQ(how, "signal 9 (Killed)");
  EXPECT_EQ(seen.tick.device.kind, DeviceFaultKind::illegal_address);
  EXPECT_EQ(seen.tick.device.kernels, std::string(160, 'k')) << "as much as there is room for";
  EXPECT_EQ(seen.tick.layer, 4);
}

TEST(WorkerProcesses, TellHangsAgainUntilTheyAreKilled) {
  for (const auto& [what, hang] : {std::pair("stop", Hang::stopped), {"spin", Hang::busy}}) {
    Watched watched(milliseconds(100));
    watched.start(what);
    EXPECT_TRUE(watched.wait_for([&] { return watched.hangs.size() >= 2; })) << what;
    EXPECT_EQ(watched.hangs[0].second, hang) << what;
    EXPECT_GE(watched.hangs[0].first.silence, milliseconds(100));
    (*watched).kill({0, 1});
    EXPECT_EQ(watched.wait_for_exit().second, "signal 9 (Killed)");
  }
}

TEST(WorkerProcesses, AnIdleWorkerDoesNotHang) {
  Watched watched(milliseconds(1));
  watched.start("idle");
  watched.wait_until_living(1);
  watched.wait_for_ticks(3);
  EXPECT_TRUE(watched.hangs.empty());
}

TEST(WorkerProcesses, AKillOfAnotherLifeDoesNothing) {
  Watched watched;
  watched.start("idle", 0, 2);
  watched.wait_until_living(1);
  (*watched).kill({0, 1});
  (*watched).kill({0, 3});
  (*watched).kill({1, 2});
  watched.start("exit", 1);
  EXPECT_EQ(watched.wait_for_exit().first.life.rank, 1) << "what was ordered before is done";
  EXPECT_EQ(watched.lives(), (std::vector<WorkerLife>{{0, 2}}));
}

TEST(WorkerProcesses, AKillRightBehindTheStartFindsIt) {
  for (std::uint64_t life = 1; life <= 20; ++life) {
    Watched watched;
    watched.start("idle", 0, life);
    (*watched).kill({0, life});
    EXPECT_EQ(watched.wait_for_exit().second, "signal 9 (Killed)");
  }
}

TEST(WorkerProcesses, ANewLifeEndsTheOneBefore) {
  Watched watched;
  watched.start("idle", 0, 1);
  watched.wait_until_living(1);
  const pid_t before = (*watched).living().at(0).pid;
  watched.start("idle", 0, 2);
  EXPECT_TRUE(
      watched.wait_for([&] { return !watched.ticks.empty() && watched.ticks[0].life.incarnation == 2; }));
  EXPECT_FALSE(exists(before));
  EXPECT_EQ(watched.lives(), (std::vector<WorkerLife>{{0, 2}}));
}

TEST(WorkerProcesses, NothingIsLeftOfThem) {
  Watched watched;
  for (std::int32_t rank = 0; rank < 3; ++rank) watched.start(rank == 1 ? "stop" : "idle", rank);
  watched.wait_until_living(3);
  const auto living = (*watched).living();
  ASSERT_EQ(living.size(), 3u);
  watched.start("idle", 3);  // perhaps never begun
  watched.end();
  for (const auto& seen : living) EXPECT_FALSE(exists(seen.pid));
}

TEST(WorkerProcesses, HoldWhatOneThatWasKilledOrEndedLeft) {
  Watched watched;
  watched.start("leave_and_exit");
  EXPECT_EQ(watched.wait_for_exit().second, "exit code 3");
  for (const int rank : {0, 1}) {
    watched.start("find", rank, 2);
    EXPECT_EQ(watched.wait_for_exit().second, rank == 0 ? "exit code 0" : "exit code 1")
        << "of the rank alone";
  }
  watched.start("leave", 1, 3);
  watched.wait_until_living(1);
  watched.wait_for_ticks(3);
  (*watched).kill({1, 3});
  EXPECT_EQ(watched.wait_for_exit().second, "signal 9 (Killed)");
  watched.start("find", 1, 4);
  EXPECT_EQ(watched.wait_for_exit().second, "exit code 0");
}

TEST(WorkerProcesses, TrustNothingOfOneThatFaulted) {
  Watched watched;
  watched.start("leave_and_fault");
  EXPECT_EQ(watched.wait_for_exit().second, "signal 11 (Segmentation fault)");
  watched.start("find", 0, 2);
  EXPECT_EQ(watched.wait_for_exit().second, "exit code 1");
}

TEST(WorkerProcesses, SilenceIsThatOfTheLastTick) {
  Watched watched;
  watched.start("tick");
  EXPECT_TRUE(watched.wait_for([&] { return !watched.ticks.empty() && watched.ticks[0].tick.count == 1; }));
  for (std::uint64_t count = 2; count < 8; ++count) {
    EXPECT_TRUE(watched.wait_for([&] { return watched.ticks[0].silence > milliseconds(200); }));
    kill((*watched).living().at(0).pid, SIGUSR2);
    EXPECT_TRUE(watched.wait_for([&] {
      const auto& seen = watched.ticks[0];
      EXPECT_TRUE(seen.tick.count < count || seen.silence < milliseconds(200)) << "that of the tick before";
      return seen.tick.count == count;
    }));
  }
}

TEST(WorkerProcesses, AWorkerThatCannotBeStartedIsToldAsAnExit) {
  Watched watched;
  watched.wait_for_ticks(1);
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit few = before;
  {  // three more, of the seven that a start takes
    const FileDescriptor first(dup(0)), second(dup(0)), third(dup(0));
    few.rlim_cur = rlim_t(third.get() + 1);
  }
  setrlimit(RLIMIT_NOFILE, &few);
  watched.start("idle", 2, 4);
  const auto [seen, how] = watched.wait_for_exit();
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(seen.life, (WorkerLife{2, 4}));
  EXPECT_NE(how.find("Too many open files"), std::string::npos) << how;
  watched.start("exit", 2, 5);
  EXPECT_EQ(watched.wait_for_exit().second, "exit code 3");
}

TEST(WorkerOrder, ComesBackFromItsText) {
  const WorkerOrder order{
      {{3, 77}, 4, std::chrono::milliseconds(400)},  "host", 65535, 8, "eth0", "debug", true, true,
      {{"expert 7", "abc", "a \"note\"", 1ul << 40}}};
  const WorkerOrder back = worker_order(to_text(order));
  EXPECT_EQ(to_text(back), to_text(order));
  EXPECT_EQ(back.start.life.incarnation, 77u);
  EXPECT_EQ(back.port, 65535);
  EXPECT_EQ(back.start.ranks_of_node, 4);
  EXPECT_TRUE(back.spin);
  EXPECT_TRUE(back.keep_weights);
  ASSERT_EQ(back.held.size(), 1u);
  EXPECT_EQ(back.held[0].note, "a \"note\"");
  EXPECT_EQ(back.held[0].bytes, 1ul << 40);
  for (const char* nonsense : {"", "[]", "{\"rank\": 1}", "{\"rank\": \"a\"}"})
    EXPECT_THROW(worker_order(nonsense), Error);
}

}  // namespace
}  // namespace troupe::runtime

int main(int count, char** arguments) {
  if (count == 2 && std::string(arguments[1]) == "worker") return troupe::runtime::work();
  testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
