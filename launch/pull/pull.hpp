// A model's files from a hub into a folder. Any thread, but one at a time for a folder: others wait.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "launch/pull/download.hpp"
#include "launch/pull/hub.hpp"
#include "launch/pull/selection.hpp"

namespace troupe::launch::pull {

struct Model {
  std::string repository;         // OWNER/NAME, or NAME
  std::string revision = "main";  // branch, tag or commit
};

// REPO[@REVISION]. Throws UsageError that names `flag`.
Model parse_model(const std::string& text, std::string_view flag);

struct PullOptions {
  Model model;
  std::filesystem::path folder;  // made if it is missing
  Selection selection;
  HubOptions hub;
  DownloadOptions download;
};

struct Pulled {
  std::string commit;
  std::size_t files = 0;
  bool was_there = false;  // nothing had to be brought
};

// Files that the folder has besides stay; those of the same names are replaced, each in one go once the new one is whole and its
// hash is right. MANIFEST.sha256 is written last, and is gone while the folder is neither what it was nor what it will be.
// A revision that is a commit, and whose manifest is there, costs no request. Throws Error, and UsageError for patterns.
Pulled pull(const PullOptions& options);

}  // namespace troupe::launch::pull
