#include "config/settings_file.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <fstream>

#include "config/nearest.hpp"

namespace troupe::config {
namespace {

auto find_key(auto& table, std::string_view name) {
  return std::find_if(table.begin(), table.end(), [&](const Setting& each) {
    return !each.flag_only && each.name != "config" && each.name == name;  // a file cannot name another
  });
}

std::string_view wanted_type(Kind kind) {
  switch (kind) {
    case Kind::boolean:
      return "true or false";
    case Kind::text:
      return "a text in quotes";
    case Kind::texts:
      return "a text in quotes, or an array of texts";
    case Kind::whole:
      return "a whole number";
    case Kind::number:
    case Kind::seconds:
      return "a number";
    case Kind::size:
      return "a whole number, or a text such as \"512M\"";
  }
  return "";
}

std::string shortest(double value) {
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  return {digits, end};
}

// Empty if the value's type is not one that the kind takes.
std::vector<std::string> texts_of(const toml::node& node, Kind kind) {
  if (const auto* value = node.as_string(); value != nullptr) {
    if (kind == Kind::text || kind == Kind::texts || kind == Kind::size) return {value->get()};
  } else if (const auto* value = node.as_integer(); value != nullptr) {
    if (kind == Kind::whole || kind == Kind::number || kind == Kind::seconds || kind == Kind::size)
      return {std::to_string(value->get())};
  } else if (const auto* value = node.as_floating_point(); value != nullptr) {
    if (kind == Kind::number || kind == Kind::seconds) return {shortest(value->get())};
  } else if (const auto* value = node.as_boolean(); value != nullptr) {
    if (kind == Kind::boolean) return {value->get() ? "true" : "false"};
  } else if (const auto* value = node.as_array(); value != nullptr && kind == Kind::texts) {
    std::vector<std::string> texts;
    for (const toml::node& each : *value) {
      if (!each.is_string()) return {};
      texts.push_back(each.as_string()->get());
    }
    return texts;
  }
  return {};
}

[[noreturn]] void refuse_key(const std::string& key, const std::string& where, const Table& known) {
  std::vector<std::string> names;
  for (const Setting& each : known)
    if (find_key(known, each.name) != known.end()) names.emplace_back(each.name);
  throw UsageError("unknown key", where + key, "the nearest known one is " + nearest(key, names));
}

}  // namespace

std::vector<Given> parse_settings_text(Table& table, std::string_view text, std::string_view where,
                                       const Table& known) {
  toml::table document;
  try {
    document = toml::parse(text);
  } catch (const toml::parse_error& failure) {
    throw UsageError(failure.description(),
                     std::string(where) + ":" + std::to_string(failure.source().begin.line));
  }
  std::vector<Given> given;
  for (const auto& [key, node] : document) {
    const std::string at = std::string(where) + ":" + std::to_string(key.source().begin.line) + ": ";
    std::string name(key.str());
    std::replace(name.begin(), name.end(), '_', '-');
    const auto setting = find_key(table, name);
    if (setting == table.end()) {
      if (find_key(known, name) == known.end()) refuse_key(name, at, known);
      continue;
    }
    if (std::any_of(given.begin(), given.end(), [&](const Given& g) { return g.setting == &*setting; }))
      throw UsageError("given twice", at + name);
    const Kind kind = kind_of(*setting);
    auto texts = texts_of(node, kind);
    if (texts.empty() && !(node.is_array() && node.as_array()->empty() && kind == Kind::texts))
      throw UsageError("wrong type", at + name, "give " + std::string(wanted_type(kind)));
    given.push_back({&*setting, std::move(texts), at + name});
  }
  return given;
}

std::vector<Given> parse_settings_file(Table& table, const std::filesystem::path& file, const Table& known) {
  std::ifstream stream(file, std::ios::binary);
  std::string text(max_settings_file_bytes + 1, '\0');
  stream.read(text.data(), std::streamsize(text.size()));
  if (!stream.is_open() || stream.bad() || std::filesystem::is_directory(file))
    throw Error("cannot be read", file.string(), "--config names a TOML file");
  text.resize(std::size_t(stream.gcount()));
  if (text.size() > max_settings_file_bytes)
    throw UsageError("is larger than " + std::to_string(max_settings_file_bytes) + " bytes", file.string(),
                     "--config names a TOML file of settings");
  return parse_settings_text(table, text, file.string(), known);
}

}  // namespace troupe::config
