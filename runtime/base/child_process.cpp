#include "runtime/base/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "runtime/base/error.hpp"

extern char** environ;

namespace troupe {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (const std::string& text : texts) all.push_back(const_cast<char*>(text.c_str()));
  all.push_back(nullptr);
  return all;
}

// In the child between fork and exec: only calls that are safe there.
[[noreturn]] void become(pid_t parent, char* const* arguments, char* const* environment,
                         std::span<int> files) {
  const int end = first_inherited_fd + int(files.size());
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // it died before it could have been noticed
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // Ctrl-C, and what else ends a service, are for the parent, which ends its children itself when it is done.
  for (const int stop : {SIGINT, SIGTERM, SIGUSR1}) signal(stop, SIG_IGN);
  // Out of the way of the final places first.
  for (int& file : files) file = fcntl(file, F_DUPFD, end + 1);
  for (std::size_t i = 0; i < files.size(); ++i)
    if (dup2(files[i], first_inherited_fd + int(i)) < 0) _exit(127);
  syscall(SYS_close_range, unsigned(end), ~0u, 0u);
  execve("/proc/self/exe", arguments, environment);
  _exit(127);
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments,
                           const std::vector<std::string>& environment, std::span<const int> files) {
  std::vector<int> inherited(files.begin(), files.end());
  const std::vector<char*> words = pointers(arguments), variables = pointers(environment);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw Error(std::strerror(errno), "starting a process", "raise the limit of processes");
  if (pid_ == 0) become(parent, words.data(), variables.data(), inherited);
  pidfd_ = FileDescriptor(int(syscall(SYS_pidfd_open, pid_, 0)));
  if (!pidfd_) {
    const std::string why = std::strerror(errno);
    ::kill(pid_, SIGKILL);
    wait();
    throw Error(why, "watching a process", "Linux 5.3 or later is needed");
  }
}

ChildProcess::~ChildProcess() {
  if (reaped_) return;
  kill(SIGKILL);
  wait();
}

void ChildProcess::kill(int signal) {
  if (!reaped_) syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0u);
}

bool ChildProcess::ended() {
  // Where SIGCHLD is ignored, the kernel has waited for it.
  if (!reaped_) {
    const pid_t ended = waitpid(pid_, &status_, WNOHANG);
    reaped_ = ended == pid_ || (ended < 0 && errno == ECHILD);
  }
  return reaped_;
}

void ChildProcess::wait() {
  while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
  reaped_ = true;
}

bool ChildProcess::faulted() const {
  return WIFSIGNALED(status_) && WTERMSIG(status_) != SIGKILL;
}

std::string ChildProcess::how() const {
  if (WIFSIGNALED(status_))
    return "signal " + std::to_string(WTERMSIG(status_)) + " (" + strsignal(WTERMSIG(status_)) + ")";
  return "exit code " + std::to_string(WEXITSTATUS(status_));
}

std::vector<std::string> environment_without(std::span<const char* const> prefixes) {
  std::vector<std::string> kept;
  for (char** variable = environ; *variable; ++variable)
    if (std::ranges::none_of(
            prefixes, [&](const char* prefix) { return std::string_view(*variable).starts_with(prefix); }))
      kept.emplace_back(*variable);
  return kept;
}

}  // namespace troupe
