#include "launch/sizing/published.hpp"

#include <algorithm>
#include <cctype>

#include "config/nearest.hpp"
#include "config/setting.hpp"
#include "runtime/base/file.hpp"

namespace troupe::launch::sizing {
namespace {

namespace fs = std::filesystem;

// Without the publisher, in small letters.
std::string plain_name(const std::string& given) {
  std::string name = given.substr(given.rfind('/') + 1);
  for (char& c : name) c = char(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

// What nobody would call a model.
bool is_path(const std::string& given) {
  return given.starts_with('/') || given.starts_with('.') || given.ends_with('/') || given.ends_with(".gguf");
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::vector<std::string> published_models(const fs::path& folder) {
  if (!fs::is_directory(folder))
    throw Error("the configs of published models are not installed", folder.string(), "name a checkpoint");
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> nearest_first(std::vector<std::string> names, std::string_view mistyped) {
  std::ranges::stable_sort(names, {}, [&](const std::string& name) {
    return std::pair(name.find(mistyped) == name.npos, config::edit_distance(mistyped, name));
  });
  return names;
}

model::Checkpoint checkpoint_or_published(const std::string& given, const fs::path& folder) {
  std::error_code unreadable;
  if (is_path(given) || fs::exists(given, unreadable)) return model::Checkpoint::open(given);
  const std::vector<std::string> known = published_models(folder);
  const std::string name = plain_name(given);
  if (!std::ranges::binary_search(known, name))
    throw config::UsageError("is neither a checkpoint nor the name of a published model", given,
                             "known ones, the nearest first: " + joined(nearest_first(known, name)));
  return model::Checkpoint::outline(read_file(folder / (name + ".json"), model::limits::config_bytes), name);
}

}  // namespace troupe::launch::sizing
