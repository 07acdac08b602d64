// What the grammar engine says while it works. Its warnings mean that it would leave out a part of what was asked, and
// are collected here instead of being printed; what it calls fatal is thrown as a std::exception. Of one thread.
#pragma once

#include <string>
#include <vector>

namespace troupe::model {

// Collects the warnings of this thread while it lives. They nest: the innermost hears.
class EngineWarnings {
 public:
  EngineWarnings();
  ~EngineWarnings();
  EngineWarnings(const EngineWarnings&) = delete;
  EngineWarnings& operator=(const EngineWarnings&) = delete;

  void add(const std::string& message) { messages_.push_back(message); }
  const std::vector<std::string>& messages() const { return messages_; }

 private:
  std::vector<std::string> messages_;
  EngineWarnings* const outer_;
};

}  // namespace troupe::model
