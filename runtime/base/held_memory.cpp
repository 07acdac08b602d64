#include "runtime/base/held_memory.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "runtime/base/error.hpp"
#include "runtime/base/log.hpp"

namespace troupe {
namespace {

// One file beside a message.
union FileBeside {
  cmsghdr header;  // for its alignment
  char space[CMSG_SPACE(sizeof(int))];
};

// The file that came with a message, if any.
FileDescriptor file_of(msghdr& message) {
  const cmsghdr* const beside = CMSG_FIRSTHDR(&message);
  if (beside == nullptr || beside->cmsg_level != SOL_SOCKET || beside->cmsg_type != SCM_RIGHTS) return {};
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(beside), sizeof fd);
  return FileDescriptor(fd);
}

}  // namespace

void to_json(nlohmann::json& json, const HeldPiece& piece) {
  json = {{"name", piece.name}, {"contents", piece.contents}, {"note", piece.note}, {"bytes", piece.bytes}};
}

void from_json(const nlohmann::json& json, HeldPiece& piece) {
  piece = {json.at("name"), json.at("contents"), json.at("note"), json.at("bytes")};
}

std::pair<FileDescriptor, FileDescriptor> held_memory_sockets() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    throw Error(std::strerror(errno), "socketpair");
  return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

void HeldMemory::receive(const FileDescriptor& socket) {
  for (;;) {
    std::array<char, max_held_text> text;
    FileBeside beside;
    iovec part{text.data(), text.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &beside;
    message.msg_controllen = CMSG_LEN(sizeof(int));  // no room for a second file
    const ssize_t count = recvmsg(socket.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;  // nothing more for now, or for ever
    obey({text.data(), std::size_t(count)}, file_of(message));
  }
}

void HeldMemory::obey(std::string_view text, FileDescriptor file) {
  try {
    const auto json = nlohmann::json::parse(text);
    if (json.contains("drop_all")) return clear();
    if (json.contains("drop")) return drop(json.at("drop").get<std::string>());
    auto piece = json.get<HeldPiece>();
    drop(piece.name);
    if (!file) throw Error("came without its file", piece.name);
    if (files_.size() >= max_held_pieces) throw Error("is one piece too many", piece.name);
    files_.push_back({std::move(piece), std::move(file)});
  } catch (const std::exception& error) {
    log_event(LogLevel::warning, "memory_not_held", {{"error", error.what()}});
  }
}

void HeldMemory::drop(std::string_view name) {
  std::erase_if(files_, [&](const HeldFile& held) { return held.piece.name == name; });
}

const HeldPiece* MemoryKeeper::find(std::string_view name, std::string_view contents) const {
  for (const auto& [piece, file] : inherited_)
    if (piece.name == name && piece.contents == contents) return &piece;
  return nullptr;
}

std::optional<HeldFile> MemoryKeeper::take(std::string_view name, std::string_view contents) {
  const HeldPiece* const wanted = find(name, contents);
  const auto found =
      std::ranges::find_if(inherited_, [&](const HeldFile& held) { return &held.piece == wanted; });
  if (found == inherited_.end()) return std::nullopt;
  HeldFile taken = std::move(*found);
  inherited_.erase(found);
  return taken;
}

void MemoryKeeper::drop_rest() {
  for (const HeldFile& held : inherited_) drop(held.piece.name);
  inherited_.clear();
}

void MemoryKeeper::keep(const HeldPiece& piece, const FileDescriptor& file) {
  CHECK(!piece.name.empty() && !piece.contents.empty() && file, "a piece without a name, contents or file");
  send(nlohmann::json(piece).dump(), file.get());
}

void MemoryKeeper::drop(std::string_view name) {
  send(nlohmann::json{{"drop", name}}.dump(), -1);
}

void MemoryKeeper::drop_all() {
  inherited_.clear();
  send(R"({"drop_all": true})", -1);
}

void MemoryKeeper::send(const std::string& text, int file) {
  CHECK(text.size() <= max_held_text, "too much is said of a piece of memory");
  FileBeside beside;
  iovec part{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (file >= 0) {
    message.msg_control = &beside;
    message.msg_controllen = sizeof beside;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof file);
    std::memcpy(CMSG_DATA(header), &file, sizeof file);
  }
  while (sendmsg(socket_.get(), &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

}  // namespace troupe
