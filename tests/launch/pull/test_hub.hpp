// A server with Hugging Face's file API and one model, made of texts.
#pragma once

#include <openssl/sha.h>

#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "runtime/base/digest.hpp"
#include "runtime/base/hex.hpp"
#include "tests/launch/pull/web_server.hpp"

namespace troupe::launch::pull {

inline std::string git_blob(const std::string& text) {
  std::string whole = "blob " + std::to_string(text.size());
  whole.append(1, '\0').append(text);
  std::array<unsigned char, SHA_DIGEST_LENGTH> hash;
  SHA1(reinterpret_cast<const unsigned char*>(whole.data()), whole.size(), hash.data());
  return hex(std::as_bytes(std::span(hash)));
}

// Bytes of which no two parts are equal.
inline std::string some_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  std::uint32_t state = 1;
  for (char& c : bytes) state = state * 1664525 + 1013904223, c = char(state >> 24);
  return bytes;
}

class TestHub {
 public:
  using Reply = WebServer::Reply;
  using Request = WebServer::Request;
  static constexpr const char* commit = "0123456789abcdef0123456789abcdef01234567";

  // files: by name; those of more than 100 bytes are in large storage. instead: what it answers otherwise, if anything.
  explicit TestHub(std::map<std::string, std::string> files,
                   std::function<std::optional<Reply>(const Request&)> instead = nullptr)
      : files_(std::move(files)),
        instead_(std::move(instead)),
        server_([this](const Request& r) { return answer(r); }) {}

  nlohmann::json listing() const {
    nlohmann::json siblings = nlohmann::json::array();
    for (const auto& [name, text] : files_) {
      nlohmann::json file{{"rfilename", name}, {"size", text.size()}, {"blobId", git_blob(text)}};
      if (text.size() > 100)
        file["lfs"] = {{"sha256", sha256_hex(text)}, {"size", text.size()}, {"pointerSize", 130}};
      siblings.push_back(file);
    }
    return {{"sha", commit}, {"siblings", siblings}};
  }

  // A file, or the part of it that is asked for.
  Reply part_of(const std::string& text, const Request& request) const {
    if (request.range.empty()) return {.body = text};
    std::size_t begin = 0, end = 0;
    if (std::sscanf(request.range.c_str(), "bytes=%zu-%zu", &begin, &end) != 2 || end >= text.size())
      return {.status = 416};
    return {.status = 206,
            .fields = {{"Content-Range", request.range.substr(0, 5) + " " + request.range.substr(6) + "/" +
                                             std::to_string(text.size())}},
            .body = text.substr(begin, end + 1 - begin)};
  }
  // As if nothing were to be answered otherwise.
  Reply plain_answer(const Request& request) const {
    const std::string files_of = "/o/m/resolve/" + std::string(commit) + "/";
    if (request.target == "/api/models/o/m/revision/main?blobs=true" ||
        request.target == "/api/models/o/m/revision/" + std::string(commit) + "?blobs=true")
      return {.body = listing().dump()};
    if (request.target.starts_with(files_of))
      if (const auto found = files_.find(request.target.substr(files_of.size())); found != files_.end())
        return part_of(found->second, request);
    return {.status = 404, .fields = {{"X-Error-Message", "Entry not found"}}};
  }

  WebServer& server() { return server_; }
  const std::string& file(const std::string& name) const { return files_.at(name); }

 private:
  Reply answer(const Request& request) const {
    if (instead_)
      if (auto reply = instead_(request)) return *reply;
    return plain_answer(request);
  }

  const std::map<std::string, std::string> files_;
  const std::function<std::optional<Reply>(const Request&)> instead_;
  WebServer server_;
};

}  // namespace troupe::launch::pull
