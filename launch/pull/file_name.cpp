#include "launch/pull/file_name.hpp"

#include "launch/server_answer.hpp"
#include "runtime/base/error.hpp"

namespace troupe::launch::pull {

namespace fs = std::filesystem;

std::string_view fault_of_name(std::string_view name) {
  if (name.size() > longest_name) return "is too long";
  if (name.find_first_of("\\\n\t") != name.npos || harmless(name) != name)
    return "has a backslash or a control character";
  while (true) {
    const std::string_view part = name.substr(0, name.find('/'));
    if (part.empty()) return "begins or ends with a slash, or has two in a row";
    if (part == "." || part == "..") return "leads out of the folder, or nowhere";
    if (part.size() > longest_part) return "has a part that is too long";
    if (part.size() == name.size()) return {};
    name.remove_prefix(part.size() + 1);
  }
}

fs::path place_of(const fs::path& folder, const std::string& name) {
  CHECK(fault_of_name(name).empty(), name);
  fs::path place = folder;
  const fs::path below(name);
  for (const fs::path& part : below.parent_path()) {
    place /= part;
    if (fs::is_symlink(place))
      throw Error("is a link, and files are put below the folder itself alone", place.string(),
                  "remove it, or give another --to");
    std::error_code failure;
    fs::create_directory(place, failure);
    if (failure) throw Error("cannot be made: " + failure.message(), place.string());
  }
  place /= below.filename();
  if (fs::is_directory(fs::symlink_status(place)))
    throw Error("is a folder, and the model has a file of that name", place.string(),
                "remove it, or give another --to");
  return place;
}

}  // namespace troupe::launch::pull
