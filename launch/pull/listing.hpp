// What a revision of a model holds, as the server tells it. Nothing of it is trusted. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::launch::pull {

inline constexpr std::size_t most_files = 65536;
inline constexpr std::uint64_t largest_file = std::uint64_t{1} << 46;  // bytes

struct RemoteFile {
  std::string name;  // without a fault, see file_name.hpp
  std::uint64_t size = 0;
  // One of them, hexadecimal in small letters: of the bytes, of files in large storage, or else what git calls it.
  std::string sha256, git_blob;

  const std::string& hash() const { return sha256.empty() ? git_blob : sha256; }
};

struct Listing {
  std::string commit;             // 40 hexadecimal digits
  std::vector<RemoteFile> files;  // by name
};

bool is_commit(const std::string& revision);

// json: the answer of /api/models/REPO/revision/REVISION?blobs=true; where: who gave it. Throws Error.
Listing parse_listing(const std::string& json, const std::string& where);

}  // namespace troupe::launch::pull
