// What of a batch is done, on disk: a record of the input's digest, and then, for each line of the input whose answer is
// written, one of its number and how long the output is with it. One owner; a second process finds the journal locked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/base/record_file.hpp"

namespace troupe::launch::batch {

struct Written {
  std::uint64_t line = 0;          // of the input
  std::uint64_t output_bytes = 0;  // of the whole output, this answer being its last
  friend bool operator==(const Written&, const Written&) = default;
};

class Journal {
 public:
  // Opens the journal of this input; makes it where there is none yet and it may_begin. Throws Error: it is another
  // input's, or in use, or missing.
  Journal(const std::filesystem::path& file, const std::string& input_digest, bool may_begin);

  const std::vector<Written>& found() const {
    return found_;
  }                                               // when it was opened, in the order of the output
  void append(const std::vector<Written>& more);  // throws Error

 private:
  void read(const std::string& header, const std::filesystem::path& name, bool may_begin);

  RecordFile file_;
  std::vector<Written> found_;
};

}  // namespace troupe::launch::batch
