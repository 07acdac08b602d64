// What shells complete a setting's value with, by its table's row. Any thread.
#pragma once

#include <string>
#include <vector>

#include "config/setting.hpp"

namespace troupe::config {

struct Completion {
  enum class Paths { none, files, folders };
  std::vector<std::string> words;
  Paths paths = Paths::none;  // besides the words
};

// Words are its choices. That it is a path tells what the manual calls it: FOLDER, FILE, OUT.safetensors; in auto|none|FOLDER
// those in small letters are words.
Completion completion_of(const Setting& setting);

}  // namespace troupe::config
