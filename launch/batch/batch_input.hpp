// The lines of a batch, read one after another: no more of the file is in memory than the line that was read
// last. Main thread only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace troupe::launch::batch {

struct InputLine {
  std::uint64_t number = 0;  // from 1, as editors count
  std::string text;          // cut one byte past max_line_bytes; never blank
};

class BatchInput {
 public:
  // Reads the file once, for its digest and the number of its lines. Throws Error.
  explicit BatchInput(const std::filesystem::path& file);

  const std::string& digest() const { return digest_; }  // SHA-256 of all its bytes, hexadecimal
  std::uint64_t lines() const { return lines_; }         // that are not blank
  std::optional<InputLine> next();                       // that is not blank

 private:
  std::ifstream in_;
  std::string digest_;
  std::uint64_t lines_ = 0;
  std::uint64_t number_ = 0;  // of the line read last
};

}  // namespace troupe::launch::batch
