// The tables of a TOML file, read field by field; mistakes are UsageErrors that name file and line.
#pragma once

#include <toml++/toml.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::config {

// where: the file.
toml::table parse_toml(std::string_view text, std::string_view where);
std::string place_of(const toml::node& node, std::string_view where);  // "keys.toml:3: "

// The fields of one table, each asked for by its name; then what is left is unknown. table and where outlive it.
class TomlFields {
 public:
  TomlFields(const toml::table& table, std::string_view where) : table_(table), where_(where) {}

  std::string text(std::string_view name);  // which must be there
  std::optional<std::string> optional_text(std::string_view name);
  bool boolean(std::string_view name);  // false: it is not there
  std::optional<std::int64_t> whole(std::string_view name, std::int64_t low, std::int64_t high);
  std::vector<std::string> texts(std::string_view name);
  std::optional<std::chrono::sys_seconds> time(std::string_view name);
  const toml::array* tables(std::string_view name);  // null: it is not there

  void end() const;
  const toml::node* node(std::string_view name) const { return table_.get(name); }
  // node: of that name; null: it is missing.
  [[noreturn]] void wrong(std::string_view name, const toml::node* node, const std::string& wanted) const;

 private:
  const toml::node* find(std::string_view name);

  const toml::table& table_;
  const std::string_view where_;
  std::set<std::string> known_;
};

}  // namespace troupe::config
