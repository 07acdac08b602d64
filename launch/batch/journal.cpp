#include "launch/batch/journal.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <boost/crc.hpp>
#include <cereal/archives/portable_binary.hpp>
#include <cereal/types/string.hpp>
#include <cstring>
#include <sstream>

#include "launch/batch/durable_write.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/file.hpp"

namespace troupe::launch::batch {

template <class Archive>
void serialize(Archive& archive, Written& x) {
  archive(x.line, x.output_bytes);
}

namespace {

constexpr std::size_t max_journal_bytes = std::size_t{1} << 32;

struct Header {
  std::string format = "troupe batch 1";
  std::string input_digest;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(format, input_digest);
  }
};

template <class T>
std::string encode(T value) {
  std::ostringstream out;
  cereal::PortableBinaryOutputArchive archive(out);
  archive(value);
  return std::move(out).str();
}

// Throws cereal::Exception for what is too short.
template <class T>
T decode(const std::string& bytes) {
  std::istringstream in(bytes);
  T value;
  cereal::PortableBinaryInputArchive archive(in);
  archive(value);
  return value;
}

std::uint32_t checksum(const std::string& bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

std::string record_of(const Written& written) {
  const std::string bytes = encode(written);
  return bytes + encode(checksum(bytes));
}

}  // namespace

Journal::Journal(const std::filesystem::path& file, const std::string& input_digest, bool may_begin)
    : path_(file) {
  open(may_begin);
  const std::string header = encode(Header{.input_digest = input_digest}),
                    bytes = read_file(path_, max_journal_bytes);
  const bool begun = bytes.size() >= header.size();
  if (!begun && !may_begin) throw Error("does not say what is written", path_.string());
  if (begun)
    read(header, bytes);
  else
    begin(header);
}

void Journal::open(bool may_begin) {
  const int flags = O_RDWR | O_CLOEXEC | (may_begin ? O_CREAT : 0);
  file_ = FileDescriptor(::open(path_.c_str(), flags, 0666));
  if (!file_) throw Error(std::string("cannot be opened: ") + std::strerror(errno), path_.string());
  if (flock(file_.get(), LOCK_EX | LOCK_NB) != 0)
    throw Error("is in use by another process", path_.string(), "let it end");
}

void Journal::begin(const std::string& header) {
  cut(file_, 0, path_);
  write_durably(file_, header, path_);
}

// Up to the first record that is not whole, which is cut off.
void Journal::read(const std::string& header, const std::string& bytes) {
  if (!bytes.starts_with(header))
    throw Error("is the journal of another input, or the input has changed since", path_.string(),
                "name another output, or remove it and the output to begin anew");
  const std::size_t record = record_of({}).size();
  std::size_t end = header.size();
  for (; end + record <= bytes.size(); end += record) {
    const auto written = decode<Written>(bytes.substr(end, record));
    if (bytes.substr(end, record) != record_of(written)) break;
    found_.push_back(written);
  }
  cut(file_, end, path_);
}

void Journal::append(const std::vector<Written>& more) {
  std::string bytes;
  for (const Written& each : more) bytes += record_of(each);
  write_durably(file_, bytes, path_);
}

}  // namespace troupe::launch::batch
