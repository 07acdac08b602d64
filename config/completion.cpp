#include "config/completion.hpp"

#include <algorithm>
#include <array>
#include <sstream>

namespace troupe::config {
namespace {

constexpr std::array names_of_files{"FILE", "CHECKPOINT", "OUT", "IDS"};

bool is_word(const std::string& alternative) {
  return std::all_of(alternative.begin(), alternative.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

}  // namespace

Completion completion_of(const Setting& setting) {
  Completion completion{.words = setting.choices};
  std::istringstream alternatives{std::string(setting.argument)};
  for (std::string each; std::getline(alternatives, each, '|');) {
    const std::string name = each.substr(0, each.find('.'));
    if (name == "FOLDER")
      completion.paths = Completion::Paths::folders;
    else if (std::find(names_of_files.begin(), names_of_files.end(), name) != names_of_files.end())
      completion.paths = Completion::Paths::files;
    else if (is_word(each))
      completion.words.push_back(each);
  }
  return completion;
}

}  // namespace troupe::config
