// Memory that outlives the process that filled it, since the one that started that process holds its files: the next
// life maps it instead of filling it again. Pieces travel over a pair of sockets, and to the next life as inherited
// files.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/file_descriptor.hpp"

namespace troupe {

constexpr std::size_t max_held_pieces = 1024;  // of a process: each is an open file
constexpr std::size_t max_held_text = 4096;    // bytes of what is said of a piece

// What is said of a piece of memory. A later piece of the same name takes its place.
struct HeldPiece {
  std::string name;      // "expert 7"
  std::string contents;  // a fingerprint: equal ones of one name stand for equal bytes
  std::string note;      // from who filled it to who maps it
  std::uint64_t bytes = 0;
};
// As it is told to whoever holds it, and to the next life. from_json throws nlohmann's exceptions.
void to_json(nlohmann::json& json, const HeldPiece& piece);
void from_json(const nlohmann::json& json, HeldPiece& piece);

struct HeldFile {
  HeldPiece piece;
  FileDescriptor file;
};

// The holder's end and the other one. Throws Error.
std::pair<FileDescriptor, FileDescriptor> held_memory_sockets();

// What is held of one process. Belongs to one thread.
class HeldMemory {
 public:
  // Takes in what has come from the process, and waits for nothing. What makes no sense, or is more than
  // max_held_pieces, is not held, and logged.
  void receive(const FileDescriptor& socket);
  void clear() { files_.clear(); }
  const std::vector<HeldFile>& files() const { return files_; }

 private:
  void obey(std::string_view text, FileDescriptor file);
  void drop(std::string_view name);

  std::vector<HeldFile> files_;
};

// The end of the process whose memory is held. One thread at a time. If the holder is gone, nothing is kept and nobody
// told: the process ends with it.
class MemoryKeeper {
 public:
  // inherited: what was held of the life before.
  MemoryKeeper(std::vector<HeldFile> inherited, FileDescriptor socket)
      : inherited_(std::move(inherited)), socket_(std::move(socket)) {}

  // An inherited piece; null: there is none. take() hands over its file.
  const HeldPiece* find(std::string_view name, std::string_view contents) const;
  std::optional<HeldFile> take(std::string_view name, std::string_view contents);
  // Inherited pieces that nobody has taken are held no longer.
  void drop_rest();

  // It is complete, and nobody will write there again.
  void keep(const HeldPiece& piece, const FileDescriptor& file);
  void drop(std::string_view name);
  void drop_all();  // its contents may be spoilt

 private:
  void send(const std::string& text, int file);

  std::vector<HeldFile> inherited_;
  FileDescriptor socket_;
};

}  // namespace troupe
