// How far work is, as a bar on the terminal, if standard error is one. One owner.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <iostream>
#include <string>

namespace troupe::launch {

class ProgressBar {
 public:
  explicit ProgressBar(std::size_t total, bool hidden = false)
      : total_(total), shown_(!hidden && isatty(STDERR_FILENO) == 1) {}
  ~ProgressBar() {
    if (shown_) std::cerr << "\n";
  }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  bool shown() const { return shown_; }
  void one_more() { show(done_ + 1); }
  void show(std::size_t done) {
    done_ = done;
    if (!shown_) return;
    constexpr std::size_t width = 40;
    std::string bar(total_ == 0 ? width : width * done_ / total_, '#');
    bar.resize(width, ' ');
    std::cerr << "\r[" << bar << "] " << done_ << "/" << total_ << std::flush;
  }

 private:
  std::size_t total_, done_ = 0;
  bool shown_;
};

}  // namespace troupe::launch
