// The answers of a batch on disk, and their journal beside them. The output is written first and the journal after it:
// whatever a kill leaves of an answer that the journal does not know is cut off when the batch goes on. Main thread
// only.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "launch/batch/journal.hpp"

namespace troupe::launch::batch {

struct OutputLine {
  std::uint64_t number = 0;  // of the input's line
  std::string text;          // without its line feed
};

class BatchOutput {
 public:
  // Throws Error: the output is none of this input's, or was changed; see Journal.
  BatchOutput(const std::filesystem::path& file, const std::string& input_digest);

  bool has(std::uint64_t line) const { return written_.contains(line); }
  std::size_t lines() const { return written_.size(); }
  void write(const std::vector<OutputLine>& lines);  // all of them are safe when it returns; throws Error

 private:
  std::filesystem::path path_;
  Journal journal_;
  FileDescriptor file_;
  std::uint64_t bytes_ = 0;  // of the output
  std::unordered_set<std::uint64_t> written_;
};

// OUT.jsonl.journal
std::filesystem::path journal_of(const std::filesystem::path& output);

}  // namespace troupe::launch::batch
