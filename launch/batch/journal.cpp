#include "launch/batch/journal.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "runtime/base/durable_file.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/portable_binary.hpp"

namespace troupe::launch::batch {

template <class Archive>
void serialize(Archive& archive, Written& x) {
  archive(x.line, x.output_bytes);
}

namespace {

constexpr std::string_view format = "troupe batch 2 of ";
constexpr const char* remedy = "the same command goes on where it was";

FileDescriptor open_locked(const std::filesystem::path& name, bool may_begin) {
  const int flags = O_RDWR | O_CLOEXEC | (may_begin ? O_CREAT : 0);
  FileDescriptor file(::open(name.c_str(), flags, 0666));
  if (!file) throw Error(std::string("cannot be opened: ") + std::strerror(errno), name.string());
  lock_file(file, name, "let it end");
  return file;
}

}  // namespace

Journal::Journal(const std::filesystem::path& file, const std::string& input_digest, bool may_begin)
    : file_(open_locked(file, may_begin), file, remedy) {
  read(std::string(format) + input_digest, file, may_begin);
}

// Up to the first record that is not whole, which is cut off.
void Journal::read(const std::string& header, const std::filesystem::path& name, bool may_begin) {
  const Error another("is the journal of another input, or the input has changed since", name.string(),
                      "name another output, or remove it and the output to begin anew");
  file_.read([&](const std::string& record, RecordFile::Place place) {
    if (place.offset > 0)
      read_portable_binary(record, found_.emplace_back());
    else if (record != header)
      throw another;
    return true;
  });
  const std::string begin = framed(header);
  const bool begun = file_.end() > 0;
  if (!begun && file_.size() >= begin.size()) throw another;
  if (!begun && !may_begin) throw Error("does not say what is written", name.string());
  file_.cut();
  if (begun) return;
  file_.append(begin);
  file_.sync();
}

void Journal::append(const std::vector<Written>& more) {
  std::string frames;
  for (const Written& each : more) frames += framed(portable_binary(each));
  file_.append(frames);
  file_.sync();
}

}  // namespace troupe::launch::batch
