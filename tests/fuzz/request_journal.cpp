// A journal of requests: the bytes as its file, as one record, and, cut at bytes 0xff, as records of a file whose checksums are
// right. What is found in it is found again when it was written anew.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "actors/edge/retries/journal_file.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/log.hpp"
#include "tests/fuzz/bytes.hpp"

namespace troupe::actors::edge {
namespace {

namespace fs = std::filesystem;

// In memory, where to sync takes no time.
fs::path make_folder() {
  set_log_level(LogLevel::off);
  std::string name = "/dev/shm/troupe-fuzz-XXXXXX";
  CHECK(mkdtemp(name.data()) != nullptr);
  static const std::string folder = name;
  std::atexit([] { fs::remove_all(folder); });
  return folder;
}

std::vector<FoundRequest> found_in(const JournalFile& journal) {
  std::vector<FoundRequest> found;
  for (const std::string& id : journal.ids()) found.push_back(journal.request(id));
  return found;
}

bool same(const std::vector<FoundRequest>& left, const std::vector<FoundRequest>& right) {
  return std::ranges::equal(left, right, [](const FoundRequest& x, const FoundRequest& y) {
    return x.request == y.request && x.finished == y.finished;
  });
}

void open_file(const std::string& content) {
  static const fs::path folder = make_folder();
  std::ofstream(folder / JournalFile::name, std::ios::binary) << content;
  std::optional<JournalFile> journal;
  try {
    journal.emplace(folder);
  } catch (const Error&) {
    return;
  }
  const std::vector<FoundRequest> found = found_in(*journal);
  journal->compact();
  CHECK(journal->dropped_bytes() == 0, "all that is left is live");
  journal.reset();
  CHECK(same(found_in(JournalFile(folder)), found), "and there");
}

void read_record(std::string_view bytes) {
  const auto record = read_journal_record(bytes);
  if (record) CHECK(read_journal_record(journal_bytes(*record)) == record, "read as written");
}

std::string framed_parts(std::string_view bytes) {
  std::string frames = framed(JournalFile::format);
  while (!bytes.empty()) {
    const std::size_t size = std::min(bytes.find('\xff'), bytes.size());
    frames += framed(bytes.substr(0, size));
    bytes.remove_prefix(std::min(size + 1, bytes.size()));
  }
  return frames;
}

}  // namespace
}  // namespace troupe::actors::edge

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe::actors::edge;
  const std::string_view bytes = troupe::fuzz::text_of(data, size);
  open_file(std::string(bytes));
  open_file(framed_parts(bytes));
  read_record(bytes);
  return 0;
}
