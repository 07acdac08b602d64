#include "model/json/stand_in.hpp"

#include <algorithm>
#include <cctype>

#include "runtime/base/error.hpp"

namespace troupe::model {
namespace {

// https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
constexpr std::string_view lfs_pointer = "version https://git-lfs.github.com/spec/";

// start: in lower case.
bool begins_with(std::string_view content, std::string_view start) {
  return content.size() >= start.size() &&
         std::equal(start.begin(), start.end(), content.begin(),
                    [](char wanted, unsigned char c) { return wanted == std::tolower(c); });
}

}  // namespace

void refuse_stand_in(std::string_view content, std::string_view where) {
  if (content.starts_with(lfs_pointer))
    throw Error("is a Git LFS pointer, a few lines that stand for the file", where,
                "fetch the file itself: git lfs install, then git lfs pull in the cloned repository, or "
                "download it again");
  if (begins_with(content, "<!doctype html") || begins_with(content, "<html"))
    throw Error("is an HTML page that stands for the file", where,
                "download it again; what a hub gives only to users that accepted its terms needs a login");
}

}  // namespace troupe::model
