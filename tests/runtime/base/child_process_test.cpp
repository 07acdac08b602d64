// The children are this program itself, told by an argument what to do.
#include "runtime/base/child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <thread>

#include "runtime/base/error.hpp"
#include "runtime/base/memory_file.hpp"

extern char** environ;

namespace troupe {
namespace {

constexpr int as_told = 0, not_as_told = 1;

std::set<int> open_files() {
  std::set<int> files;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    files.insert(std::stoi(entry.path().filename()));
  std::set<int> still_open;  // without the one that listed them
  for (const int file : files)
    if (fcntl(file, F_GETFD) >= 0) still_open.insert(file);
  return still_open;
}

bool inherited_two_files() {
  return open_files() == std::set{0, 1, 2, 3, 4} && take_memory_file(3) == "first" &&
         take_memory_file(4) == "second";
}

bool has_one_variable() {
  return environ[0] && !environ[1] && std::string(environ[0]) == "TEST=a=b";
}

bool hears_signals() {
  sigset_t blocked;
  sigprocmask(SIG_SETMASK, nullptr, &blocked);
  // What is for its parent alone does not end it.
  return !sigismember(&blocked, SIGUSR1) && !sigismember(&blocked, SIGUSR2) && raise(SIGINT) == 0 &&
         raise(SIGTERM) == 0 && raise(SIGUSR1) == 0;
}

int child(const std::string& order) {
  if (order == "files") return inherited_two_files() ? as_told : not_as_told;
  if (order == "variable") return has_one_variable() ? as_told : not_as_told;
  if (order == "signals") return hears_signals() ? as_told : not_as_told;
  if (order == "signal") raise(SIGUSR2);
  if (order == "wait") {
    char nothing = 0;
    const bool asked = fcntl(first_inherited_fd + 1, F_GETFD) >= 0;  // to say that it runs
    if (asked && write(first_inherited_fd + 1, &nothing, 1) != 1) return not_as_told;
    while (read(first_inherited_fd, &nothing, 1) > 0) {
    }
    return as_told;
  }
  return std::atoi(order.c_str());
}

class Child {
 public:
  explicit Child(const std::string& order, const std::vector<int>& files = {},
                 const std::vector<std::string>& environment = environment_without({}))
      : process_({"test", "child", order}, environment, files) {}

  bool seen_to_end(int within_ms = 60'000) const { return readable(process_.pidfd(), within_ms); }
  std::string how() {
    EXPECT_TRUE(seen_to_end());
    EXPECT_TRUE(process_.ended());
    return process_.how();
  }
  ChildProcess& operator*() { return process_; }

  static bool readable(int fd, int within_ms) {
    pollfd watched{fd, POLLIN, 0};
    return poll(&watched, 1, within_ms) == 1;
  }

 private:
  ChildProcess process_;
};

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    out = FileDescriptor(ends[0]);
    in = FileDescriptor(ends[1]);
  }
  FileDescriptor out, in;
};

TEST(ChildProcess, TellsHowItEnded) {
  EXPECT_EQ(Child("0").how(), "exit code 0");
  EXPECT_EQ(Child("7").how(), "exit code 7");
  EXPECT_EQ(Child("signal").how(), "signal 12 (User defined signal 2)");
}

TEST(ChildProcess, IsSeenToEndWhenItDoesAndNotBefore) {
  Pipe pipe;
  Child waiting("wait", {pipe.out.get()});
  EXPECT_FALSE(waiting.seen_to_end(0));
  EXPECT_FALSE((*waiting).ended());
  pipe.in = FileDescriptor();
  EXPECT_EQ(waiting.how(), "exit code 0");
  (*waiting).kill(SIGKILL);  // nobody
  EXPECT_TRUE((*waiting).ended());
}

TEST(ChildProcess, IsKilled) {
  const Pipe pipe;
  Child waiting("wait", {pipe.out.get()});
  (*waiting).kill(SIGKILL);
  EXPECT_EQ(waiting.how(), "signal 9 (Killed)");
}

TEST(ChildProcess, GetsItsFilesInOrderAndNoOthers) {
  const FileDescriptor first = memory_file("first", "first"), second = memory_file("second", "second");
  const FileDescriptor open_to_children(dup(first.get()));  // has no FD_CLOEXEC
  EXPECT_EQ(Child("files", {first.get(), second.get()}).how(), "exit code 0");
  EXPECT_EQ(Child("files", {second.get(), first.get()}).how(), "exit code 1");
}

TEST(ChildProcess, GetsItsFilesInOrderFromEachOthersPlaces) {
  // Those of the child's 3 and 4 that this process has in use are put back behind the test.
  const FileDescriptor three(fcntl(3, F_DUPFD, 10)), four(fcntl(4, F_DUPFD, 10));
  {
    const FileDescriptor first = memory_file("first", "first"), second = memory_file("second", "second");
    const FileDescriptor high_first(fcntl(first.get(), F_DUPFD, 10)),
        high_second(fcntl(second.get(), F_DUPFD, 10));
    dup2(high_first.get(), 4);
    dup2(high_second.get(), 3);
    EXPECT_EQ(Child("files", {4, 3}).how(), "exit code 0");
  }
  for (const auto& [number, saved] : {std::pair(3, three.get()), {4, four.get()}})
    saved < 0 ? close(number) : dup2(saved, number);
}

TEST(ChildProcess, TakesAsManyFilesAsItMayOpen) {
  const FileDescriptor file = memory_file("many", "");
  EXPECT_EQ(Child("5", std::vector<int>(400, file.get())).how(), "exit code 5");
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit few{100, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &few);
  EXPECT_EQ(Child("5", std::vector<int>(100, file.get())).how(), "exit code 127");
  setrlimit(RLIMIT_NOFILE, &before);
}

TEST(ChildProcess, GetsTheVariablesThatItIsGiven) {
  EXPECT_EQ(Child("variable", {}, {"TEST=a=b"}).how(), "exit code 0");
  EXPECT_EQ(Child("variable", {}, {"TEST=a=b", "OTHER="}).how(), "exit code 1");
}

TEST(ChildProcess, VariablesAreLeftOutByTheBeginningsOfTheirNames) {
  setenv("TROUPE_TEST_ONE", "1", 1);
  setenv("TROUPE_TEST_TWO", "2", 1);
  const auto count = [](std::initializer_list<const char*> prefixes) {
    const auto kept = environment_without(std::vector(prefixes));
    return std::ranges::count_if(kept, [](const auto& each) { return each.starts_with("TROUPE_TEST_"); });
  };
  EXPECT_EQ(count({}), 2);
  EXPECT_EQ(count({"NONE_SUCH", "TROUPE_TEST_O"}), 1);
  EXPECT_EQ(count({"TROUPE_"}), 0);
  unsetenv("TROUPE_TEST_ONE");
  unsetenv("TROUPE_TEST_TWO");
}

TEST(ChildProcess, HearsSignalsThatItsParentBlocksButNoInterrupt) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigaddset(&blocked, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  EXPECT_EQ(Child("signals").how(), "exit code 0");
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(ChildProcess, DiesWithItsOwner) {
  const Pipe pipe;
  std::optional<Child> owned(std::in_place, "wait", std::vector{pipe.out.get()});
  const pid_t pid = (**owned).pid();
  const FileDescriptor watched(dup((**owned).pidfd()));
  owned.reset();
  EXPECT_TRUE(Child::readable(watched.get(), 0));
  EXPECT_EQ(kill(pid, 0), -1) << "and nothing is left of it";
}

TEST(ChildProcess, DiesWithTheThreadThatStartedIt) {
  const Pipe pipe, ready;
  std::optional<Child> left;
  std::thread([&] {
    left.emplace("wait", std::vector{pipe.out.get(), ready.in.get()});
    EXPECT_TRUE(Child::readable(ready.out.get(), 60'000));
  }).join();
  EXPECT_EQ(left->how(), "signal 9 (Killed)");
}

}  // namespace
}  // namespace troupe

int main(int count, char** arguments) {
  if (count == 3 && std::string(arguments[1]) == "child") return troupe::child(arguments[2]);
  testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
