#include "runtime/base/record_file.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "runtime/base/digest.hpp"
#include "runtime/base/durable_file.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/portable_binary.hpp"

namespace troupe {
namespace {

constexpr std::size_t checksum_size = 16;  // characters

struct Frame {
  std::uint32_t bytes = 0;  // of the record
  std::string checksum = std::string(checksum_size, ' ');

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bytes, cereal::binary_data(checksum.data(), checksum.size()));
  }
};
constexpr std::size_t frame_size = 1 + sizeof(Frame::bytes) + checksum_size;  // cereal's sign first

}  // namespace

std::string framed(std::string_view record) {
  CHECK(record.size() <= std::numeric_limits<std::uint32_t>::max(), "a record is too large");
  std::string bytes = portable_binary(Frame{std::uint32_t(record.size()), digest(record)});
  return bytes.append(record);
}

RecordFile::RecordFile(FileDescriptor file, std::filesystem::path name, std::string remedy)
    : file_(std::move(file)), name_(std::move(name)), remedy_(std::move(remedy)) {
  struct stat status {};
  if (fstat(file_.get(), &status) != 0 || !S_ISREG(status.st_mode))
    throw Error("is no regular file", name_.string(), remedy_);
  size_ = std::uint64_t(status.st_size);
}

void RecordFile::read(const std::function<bool(const std::string& record, Place place)>& take) {
  while (size_ - end_ >= frame_size) {
    Frame frame;
    read_portable_binary(bytes_at(end_, frame_size), frame);
    if (frame.bytes > size_ - end_ - frame_size) break;
    const std::string record = bytes_at(end_ + frame_size, frame.bytes);
    const Place place{end_, frame_size + frame.bytes};
    if (digest(record) != frame.checksum || !take(record, place)) break;
    end_ += place.bytes;
  }
}

std::optional<std::string> RecordFile::frame(Place place) const {
  std::string bytes = bytes_at(place.offset, place.bytes);
  if (framed(std::string_view(bytes).substr(frame_size)) != bytes) return std::nullopt;
  return bytes;
}

std::string RecordFile::record(Place place) const {
  return bytes_at(place.offset + frame_size, place.bytes - frame_size);
}

std::string RecordFile::bytes_at(std::uint64_t offset, std::uint64_t bytes) const {
  std::string read(bytes, '\0');
  for (std::size_t have = 0; have < read.size();) {
    const ssize_t more = pread(file_.get(), read.data() + have, read.size() - have, off_t(offset + have));
    if (more < 0 && errno == EINTR) continue;
    if (more <= 0)
      throw Error(std::string("cannot be read: ") + (more == 0 ? "it is shorter now" : std::strerror(errno)),
                  name_.string(), remedy_);
    have += std::size_t(more);
  }
  return read;
}

void RecordFile::cut() {
  if (!at_end_) cut_file(file_, end_, name_, remedy_);
  at_end_ = true;
}

void RecordFile::append(std::string_view frames) {
  cut();
  at_end_ = false;
  write_whole(file_, frames, name_, remedy_);
  at_end_ = true;
  end_ += frames.size();
}

void RecordFile::sync() {
  sync_file(file_, name_, remedy_);
}

}  // namespace troupe
