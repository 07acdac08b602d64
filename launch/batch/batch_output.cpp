#include "launch/batch/batch_output.hpp"

#include <fcntl.h>

#include <cstring>

#include "runtime/base/durable_file.hpp"
#include "runtime/base/error.hpp"

namespace troupe::launch::batch {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view go_on = "the same command goes on where it was";

// Only an output without content may be begun: what stands in another one is someone's.
bool may_begin(const fs::path& output) {
  const bool empty = !fs::exists(output) || (fs::is_regular_file(output) && fs::file_size(output) == 0);
  if (!empty && !fs::exists(journal_of(output)))
    throw Error("is there already, and no journal of it", output.string(), "name another output");
  return empty;
}

}  // namespace

fs::path journal_of(const fs::path& output) {
  return output.string() + ".journal";
}

BatchOutput::BatchOutput(const fs::path& file, const std::string& input_digest)
    : path_(file),
      journal_(journal_of(file), input_digest, may_begin(file)),
      file_(open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666)) {
  if (!file_) throw Error(std::string("cannot be opened: ") + std::strerror(errno), path_.string());
  if (!journal_.found().empty()) bytes_ = journal_.found().back().output_bytes;
  if (fs::file_size(path_) < bytes_)
    throw Error("is shorter than its journal says", path_.string(),
                "remove both to begin anew, or bring it back");
  cut_file(file_, bytes_, path_, go_on);
  for (const Written& each : journal_.found()) written_.insert(each.line);
}

void BatchOutput::write(const std::vector<OutputLine>& lines) {
  if (lines.empty()) return;
  std::string text;
  std::vector<Written> records;
  for (const OutputLine& each : lines) {
    CHECK(written_.insert(each.number).second, "a line is answered once");
    text += each.text;
    text += '\n';
    records.push_back({each.number, bytes_ + text.size()});
  }
  write_whole(file_, text, path_, go_on);
  sync_file(file_, path_, go_on);
  journal_.append(records);
  bytes_ += text.size();
}

}  // namespace troupe::launch::batch
