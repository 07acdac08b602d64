#include <fcntl.h>

#include <algorithm>
#include <iostream>
#include <iterator>

#include "config/api_keys.hpp"
#include "launch/command_line.hpp"
#include "launch/subcommand_group.hpp"
#include "launch/whole_file.hpp"
#include "runtime/base/digest.hpp"
#include "runtime/base/durable_file.hpp"
#include "runtime/base/file_descriptor.hpp"
#include "runtime/base/random_id.hpp"

namespace troupe::launch {
namespace {

using config::Caller;
using std::filesystem::path;

constexpr mode_t mode_of_new_file = 0600;
constexpr std::string_view key_prefix = "troupe-";  // so that searches for lost keys find them
constexpr std::size_t shown_digits = 12;            // of a key's SHA-256

constexpr config::Page add_page{
    .command = "keys add",
    .summary = "makes a key for a caller",
    .description =
        "Prints a new key, which is nowhere else: the file has its SHA-256. A caller that is there gets one key more, so "
        "that both are valid while it changes over; limits that are given replace its own.\n\n"
        "A server that was started with --api-keys and this file sees the change within a second. The file is written "
        "anew, without the comments that it may have.",
    .examples =
        "$ troupe keys add search --api-keys keys.toml --tokens-per-minute 100000\n"
        "$ troupe keys add prometheus --api-keys keys.toml --class metrics\n"
        "$ troupe keys add search --api-keys keys.toml --expires 2027-01-31"};
constexpr config::Page list_page{
    .command = "keys list",
    .summary = "shows the keys of a file",
    .description =
        "A line for each key: its caller, its class, the first digits of its SHA-256, and when it expires.",
    .examples = "$ troupe keys list --api-keys keys.toml"};
constexpr config::Page revoke_page{
    .command = "keys revoke",
    .summary = "takes keys from a caller",
    .description =
        "All of them and the caller's limits, or the one that --key names. Streams in progress end as they would.",
    .examples =
        "$ troupe keys revoke search --api-keys keys.toml\n"
        "$ troupe keys revoke search --api-keys keys.toml --key 2bb80d537b1d"};

// Of several processes that edit files of a folder, one at a time does.
class FolderLock {
 public:
  explicit FolderLock(const path& folder)
      : folder_(open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    await_lock(folder_, folder.empty() ? path(".") : folder, "make the folder first");
  }

 private:
  const FileDescriptor folder_;
};

config::Setting file_setting(std::string& file) {
  return {.name = "api-keys",
          .target = &file,
          .argument = "FILE",
          .help = "The TOML file of keys, as troupe serve takes it.",
          .required = true,
          .flag_only = true};
}
config::Setting name_setting(std::string& name) {
  return {.name = "name",
          .target = &name,
          .argument = "NAME",
          .help = "What logs and limits call the caller.",
          .positional = true,
          .required = true,
          .flag_only = true};
}

// The file itself, where links lead to it: it is what editors share, and what is replaced.
path behind_links(const std::string& file) {
  std::error_code none;
  const path found = std::filesystem::canonical(file, none);
  return none ? path(file) : found;
}

struct Added {
  std::string file, expires, key_class;
  Caller caller;
};

config::Table key_rows(Added& a) {
  return {
      name_setting(a.caller.name),
      file_setting(a.file),
      {.name = "class",
       .target = &a.key_class,
       .argument = "CLASS",
       .help = "What the caller's keys open: the model, how the server is, or orders of an operator.",
       .unset = "inference",
       .choices = {"inference", "metrics", "control"}},
      {.name = "expires",
       .target = &a.expires,
       .argument = "TIME",
       .help = "When the new key ends: 2027-01-31, or 2027-01-31T12:00:00Z.",
       .unset = "never"},
  };
}

config::Table limit_rows(Caller& caller) {
  return {
      {.name = "requests-per-minute",
       .target = &caller.requests_per_minute,
       .argument = "N",
       .help = "Requests.",
       .unset = "no limit",
       .range = {1, config::most_per_minute}},
      {.name = "tokens-per-minute",
       .target = &caller.tokens_per_minute,
       .argument = "N",
       .help = "Tokens of prompts and answers.",
       .unset = "no limit",
       .range = {1, config::most_per_minute}},
      {.name = "concurrent",
       .target = &caller.concurrent,
       .argument = "N",
       .help = "Generations at a time.",
       .unset = "no limit",
       .range = {1}},
      {.name = "max-tokens",
       .target = &caller.max_tokens,
       .argument = "N",
       .help = "Tokens of an answer.",
       .unset = "no limit",
       .range = {1}},
      {.name = "models",
       .target = &caller.models,
       .argument = "NAME",
       .help = "Name of the model that it may ask for. May be given several times.",
       .unset = "all"},
      {.name = "priority",
       .target = &caller.priority,
       .argument = "N",
       .help = "The best that its requests have under --scheduling-policy priority; lower runs earlier.",
       .unset = "as they ask",
       .range = {-config::largest_priority, config::largest_priority}},
      {.name = "shares-prefix-cache",
       .target = &caller.shares_prefix_cache,
       .help =
           "Its cached prefixes serve all others that share, too, who can then find out by the time it takes what it has asked."},
      {.name = "filters",
       .target = &caller.filters,
       .argument = "NAME",
       .help = "Filter of --output-filters that its answers go through. May be given several times.",
       .unset = "those for everyone"},
  };
}

config::Table add_table(Added& a) {
  config::Table table = key_rows(a);
  std::ranges::move(limit_rows(a.caller), std::back_inserter(table));
  for (config::Setting& each : table) each.flag_only = true;
  return table;
}

std::vector<Caller> read_or_none(const path& file) {
  return std::filesystem::exists(file) ? config::read_callers(file) : std::vector<Caller>();
}

// Nothing that could not be read again.
void write(const path& file, const std::vector<Caller>& callers) {
  const std::string text = config::callers_text(callers);
  if (text.size() > config::max_api_keys_file_bytes)
    throw Error("would have " + std::to_string(text.size()) + " bytes, and at most " +
                    std::to_string(config::max_api_keys_file_bytes) + " are read",
                file.string(), "revoke keys that nobody uses");
  config::parse_callers(text, file.string());
  rewrite_whole_file(file, text, mode_of_new_file);
}

auto find(std::vector<Caller>& callers, std::string_view name) {
  return std::ranges::find(callers, name, &Caller::name);
}

// What is given replaces what is there.
void merge(Caller& into, Caller given) {
  const auto take = [](auto& old, auto& fresh) {
    if (fresh) old = fresh;
  };
  take(into.requests_per_minute, given.requests_per_minute);
  take(into.tokens_per_minute, given.tokens_per_minute);
  take(into.concurrent, given.concurrent);
  take(into.max_tokens, given.max_tokens);
  take(into.priority, given.priority);
  if (!given.models.empty()) into.models = std::move(given.models);
  if (!given.filters.empty()) into.filters = std::move(given.filters);
  into.shares_prefix_cache |= given.shares_prefix_cache;
}

int add(const Arguments& arguments) {
  Added added;
  config::Table table = add_table(added);
  if (!read_command_line(add_page, table, arguments)) return 0;
  config::check_caller_name(added.caller.name, "NAME");
  config::ApiKey key;
  if (!added.expires.empty() && !(key.expires = config::parse_time(added.expires)))
    throw config::UsageError("'" + added.expires + "' is no time", "--expires", "write it as 2027-01-31");
  const path file = behind_links(added.file);
  const FolderLock lock(file.parent_path());
  std::vector<Caller> callers = read_or_none(file);
  auto caller = find(callers, added.caller.name);
  if (caller == callers.end()) caller = callers.insert(callers.end(), Caller{.name = added.caller.name});
  merge(*caller, added.caller);
  for (const auto kind : {config::KeyClass::inference, config::KeyClass::metrics, config::KeyClass::control})
    if (to_string(kind) == added.key_class) caller->key_class = kind;
  const std::string text = std::string(key_prefix) + random_id() + random_id();
  key.sha256 = sha256_hex(text);
  caller->keys.push_back(key);
  write(file, callers);
  std::cout << text << "\n";
  return 0;
}

int list(const Arguments& arguments) {
  std::string file;
  config::Table table{file_setting(file)};
  if (!read_command_line(list_page, table, arguments)) return 0;
  for (const Caller& caller : config::read_callers(file))
    for (const config::ApiKey& key : caller.keys)
      std::cout << caller.name << "  " << to_string(caller.key_class) << "  "
                << key.sha256.substr(0, shown_digits) << "  "
                << (key.expires ? config::time_text(*key.expires) : "never") << "\n";
  return 0;
}

int revoke(const Arguments& arguments) {
  std::string given, name, digits;
  config::Table table{
      name_setting(name),
      file_setting(given),
      {.name = "key",
       .target = &digits,
       .argument = "DIGITS",
       .help = "The first digits of the SHA-256 of the one key to take, as troupe keys list shows them.",
       .unset = "all of the caller's keys",
       .flag_only = true}};
  if (!read_command_line(revoke_page, table, arguments)) return 0;
  const bool one = table.back().source != "default";
  if (one && digits.empty())
    throw config::UsageError("has no digits", "--key", "leave it out to take all of the caller's keys");
  const path file = behind_links(given);
  const FolderLock lock(file.parent_path());
  std::vector<Caller> callers = config::read_callers(file);
  const auto caller = find(callers, name);
  if (caller == callers.end()) throw Error("there is no caller '" + name + "'", file.string());
  if (!one) {
    callers.erase(caller);
  } else {
    const auto is_it = [&](const config::ApiKey& key) { return key.sha256.starts_with(digits); };
    const auto count = std::ranges::count_if(caller->keys, is_it);
    if (count != 1)
      throw Error("'" + name + "' has " + std::to_string(count) + " keys that begin with '" + digits + "'",
                  file.string(), "troupe keys list shows them");
    std::erase_if(caller->keys, is_it);
  }
  write(file, callers);
  return 0;
}

}  // namespace

int keys(const Arguments& arguments) {
  static const SubcommandGroup group{.name = "keys",
                                     .summary = "edits the keys of a server's callers",
                                     .missing = "what to do is missing",
                                     .unknown = "is no word for it",
                                     .members = {{"add", "make a key for a caller", add},
                                                 {"list", "show the keys of a file", list},
                                                 {"revoke", "take keys from a caller", revoke}}};
  return run_group(group, arguments);
}

}  // namespace troupe::launch
