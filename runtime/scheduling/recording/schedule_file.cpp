#include "runtime/scheduling/recording/schedule_file.hpp"

#include <cereal/archives/portable_binary.hpp>

#include "runtime/base/digest.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/random_id.hpp"

namespace troupe::runtime {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t signature = 0x3264656863737274;       // "trsched2", as its bytes lie in the file
constexpr std::size_t recording_size = 32, digest_size = 16;  // characters

struct Header {
  std::uint64_t sign = signature;
  std::string recording = std::string(recording_size, ' ');
  std::uint64_t part = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(sign, cereal::binary_data(recording.data(), recording.size()), part);
  }
};

struct Chunk {
  std::string events;
  std::string sum = std::string(digest_size, ' ');  // of the events

  template <class Archive>
  void save(Archive& archive) const {
    archive(std::uint32_t(events.size()), cereal::binary_data(events.data(), events.size()),
            cereal::binary_data(sum.data(), sum.size()));
  }
  template <class Archive>
  void load(Archive& archive) {
    std::uint32_t size = 0;
    archive(size);
    if (size > most_chunk_bytes) throw cereal::Exception("a chunk is too large");
    events.resize(size);
    archive(cereal::binary_data(events.data(), events.size()), cereal::binary_data(sum.data(), sum.size()));
  }
};

fs::path older(const fs::path& file, std::int32_t by) {
  return by == 0 ? file : fs::path(file.string() + "." + std::to_string(by));
}

std::string at(std::streamoff position) {
  return " at byte " + std::to_string(position);
}

struct Part {
  Header header;
  std::vector<RecordedEvent> context{}, events{};
  std::string cut{};
};

Error no_recording(const fs::path& file) {
  return Error("holds no recorded schedule", file.string(), "troupe serve --record-schedule writes them");
}

Header read_header(std::ifstream& in, const fs::path& file) try {
  if (!in || fs::is_directory(file)) throw Error("cannot be read", file.string());
  Header header;
  cereal::PortableBinaryInputArchive archive(in);
  archive(header);
  if (header.sign != signature) throw no_recording(file);
  return header;
} catch (const cereal::Exception&) {
  throw no_recording(file);
}

void unpack(const std::string& bytes, const fs::path& file, std::streamoff begin,
            std::vector<RecordedEvent>& out) {
  PackedReader reader(bytes);
  while (!reader.at_end()) reader.read(out.emplace_back());
  if (!reader.ended_well())
    throw Error("holds what are no events" + at(begin), file.string(),
                "another version of the program may have written it");
}

Part read_part(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  Part part{read_header(in, file)};
  for (bool first = true; in.peek() != std::ifstream::traits_type::eof();) {
    const std::streamoff begin = in.tellg();
    Chunk chunk;
    try {
      // The archive writes the machine's byte order first, of each chunk.
      cereal::PortableBinaryInputArchive archive(in);
      archive(chunk);
    } catch (const cereal::Exception&) {
      part.cut = file.string() + ": is cut off" + at(begin);
      break;
    }
    if (digest(chunk.events) != chunk.sum) throw Error("is damaged" + at(begin), file.string());
    unpack(chunk.events, file, begin, first ? part.context : part.events);
    first = false;
  }
  return part;
}

}  // namespace

ScheduleFile::ScheduleFile(fs::path file, ScheduleFileLimits limits)
    : path_(std::move(file)), limits_(limits), recording_(random_id()) {
  std::error_code none;
  if (fs::exists(path_, none) && fs::file_size(path_, none) > 0) {  // somebody else's is not moved
    std::ifstream in(path_, std::ios::binary);
    read_header(in, path_);
  }
  begin_part("");
}

void ScheduleFile::begin_part(const std::string& context) {
  out_.close();
  std::error_code failed;
  for (std::int32_t i = limits_.files - 1; i > 0; --i)
    if (fs::exists(older(path_, i - 1), failed)) fs::rename(older(path_, i - 1), older(path_, i), failed);
  if (failed) throw Error("cannot be moved: " + failed.message(), path_.string());
  out_.open(path_, std::ios::binary | std::ios::trunc);
  write(Header{.recording = recording_, .part = parts_++});
  write(Chunk{context, digest(context)});
}

template <class Part>
void ScheduleFile::write(const Part& part) try {
  {
    cereal::PortableBinaryOutputArchive archive(out_);
    archive(part);
  }
  if (!out_.flush()) throw Error("cannot be written", path_.string());
} catch (const cereal::Exception&) {
  throw Error("cannot be written", path_.string());
}

void ScheduleFile::append(const std::string& events, const std::string& context) {
  CHECK(events.size() <= most_chunk_bytes && context.size() <= most_chunk_bytes, "a chunk is too large");
  if (std::size_t(out_.tellp()) + events.size() > limits_.bytes) begin_part(context);
  write(Chunk{events, digest(events)});
}

RecordedSchedule read_schedule(const fs::path& file) {
  std::vector<Part> parts{read_part(file)};  // the youngest first
  while (parts.back().header.part > 0) {
    const fs::path before = older(file, std::int32_t(parts.size()));
    if (!fs::exists(before)) break;
    std::ifstream in(before, std::ios::binary);
    const Header header = read_header(in, before);
    if (header.recording != parts.back().header.recording || header.part + 1 != parts.back().header.part)
      break;
    parts.push_back(read_part(before));
    if (!parts.back().cut.empty()) throw Error("and there are parts behind it", parts.back().cut);
  }
  RecordedSchedule schedule;
  schedule.from_the_start = parts.back().header.part == 0;
  schedule.cut = parts.front().cut;
  if (!schedule.from_the_start) schedule.events = std::move(parts.back().context);
  for (auto part = parts.rbegin(); part != parts.rend(); ++part)
    schedule.events.insert(schedule.events.end(), std::make_move_iterator(part->events.begin()),
                           std::make_move_iterator(part->events.end()));
  return schedule;
}

}  // namespace troupe::runtime
