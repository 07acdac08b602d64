#include "launch/pull/selection.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>

#include "config/setting.hpp"
#include "launch/pull/file_name.hpp"
#include "runtime/base/error.hpp"

namespace troupe::launch::pull {
namespace {

// What model/checkpoint, model/tokenizer and model/text read.
constexpr std::array needed{"config.json",         "hf_quant_config.json",  "generation_config.json",
                            "tokenizer.json",      "tokenizer_config.json", "tiktoken.model",
                            "chat_template.jinja", "model.safetensors",     "model.safetensors.index.json"};
constexpr const char* shards = "model[-_.]*.safetensors";
constexpr std::size_t most_told_names = 20;

bool matches(const std::string& name, const std::string& pattern) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

bool matches_any(const std::string& name, const std::vector<std::string>& patterns) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) { return matches(name, pattern); });
}

bool is_shard(const std::string& name) {
  return name.find('/') == name.npos && matches(name, shards);
}

bool is_needed(const RemoteFile& file) {
  return std::ranges::find(needed, file.name) != needed.end() || is_shard(file.name);
}

// Parts of one file share it: NAME-00001-of-00003.gguf.
std::string whole_of(const std::string& gguf) {
  constexpr std::size_t digits = sizeof "-00001-of-00003.gguf" - 1;
  return matches(gguf, "*-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9].gguf")
             ? gguf.substr(0, gguf.size() - digits)
             : gguf;
}

std::vector<RemoteFile> gguf_of(const std::vector<RemoteFile>& files, const std::string& where) {
  std::vector<RemoteFile> found;
  std::set<std::string> wholes;
  for (const RemoteFile& file : files) {
    if (!matches(file.name, "*.gguf")) continue;
    found.push_back(file);
    wholes.insert(whole_of(file.name));
  }
  if (wholes.empty())
    throw Error("has neither safetensors nor GGUF files", where, "--include '*' brings what it has");
  if (wholes.size() == 1) return found;
  std::string names;
  std::size_t told = 0;
  for (const std::string& whole : wholes)
    if (told++ < most_told_names) names += " " + whole;
  throw Error("has " + std::to_string(wholes.size()) + " GGUF files:" + names +
                  (told > most_told_names ? " ..." : ""),
              where, "choose one with --include, such as --include '*Q4_K_M*'");
}

std::vector<RemoteFile> needed_of(const std::vector<RemoteFile>& files, const std::string& where) {
  std::vector<RemoteFile> found;
  std::ranges::copy_if(files, std::back_inserter(found), is_needed);
  const bool has_weights =
      std::ranges::any_of(found, [](const RemoteFile& each) { return each.name.ends_with(".safetensors"); });
  return has_weights ? found : gguf_of(files, where);
}

std::string flags(const char* flag, const std::vector<std::string>& patterns) {
  std::string text;
  for (const std::string& pattern : patterns)
    text.append(" ").append(flag).append(" '").append(pattern).append("'");
  return text;
}

}  // namespace

std::string Selection::text() const {
  return flags("--include", include) + flags("--exclude", exclude);
}

void Selection::check() const {
  for (const auto& [flag, patterns] : {std::pair("--include", &include), {"--exclude", &exclude}})
    for (const std::string& pattern : *patterns)
      if (pattern.empty() || pattern.size() > longest_name ||
          std::ranges::any_of(pattern, [](unsigned char c) { return c < ' ' || c == 0x7F; }))
        throw config::UsageError(
            "is empty, or has more than " + std::to_string(longest_name) + " bytes or a control character",
            flag, "no file has such a name; '*' is all");
}

std::vector<RemoteFile> select(const Listing& listing, const Selection& selection, const std::string& where) {
  std::vector<RemoteFile> files = listing.files;
  std::erase_if(files, [&](const RemoteFile& each) { return matches_any(each.name, selection.exclude); });
  if (selection.include.empty())
    files = needed_of(files, where);
  else
    std::erase_if(files, [&](const RemoteFile& each) { return !matches_any(each.name, selection.include); });
  if (files.empty()) throw Error("has no file that was asked for", where, "look at --include and --exclude");
  for (const RemoteFile& each : files)
    if (each.name == manifest_name || each.name == std::string(manifest_name) + ".partial" ||
        each.name.starts_with(std::string(state_folder) + "/") || each.name == state_folder)
      throw Error("has the name of what is written here itself", where + ": " + each.name,
                  "--exclude '" + each.name + "'");
  return files;
}

}  // namespace troupe::launch::pull
