#include "config/environment.hpp"

#include <unistd.h>

#include <algorithm>
#include <regex>
#include <sstream>

#include "config/nearest.hpp"

namespace troupe::config {
namespace {

constexpr std::string_view prefix = "TROUPE_";
// Tells scripts and tests which program to start; the program itself has no use for it.
constexpr std::string_view of_scripts = "TROUPE_BINARY";

// What Kubernetes sets in every container for a service that is called troupe, or troupe-something, in the fashion of
// Docker's links: TROUPE_SERVICE_HOST=10.0.0.1, TROUPE_PORT=tcp://10.0.0.1:8000, TROUPE_PORT_8000_TCP_ADDR=10.0.0.1.
bool is_service_link(const std::string& name, const std::string& value) {
  static const std::regex links(
      "TROUPE_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)");
  static const std::regex port("TROUPE_([A-Z0-9_]+_)?PORT"), address("(tcp|udp|sctp)://.*");
  return std::regex_match(name, links) || (std::regex_match(name, port) && std::regex_match(value, address));
}

auto find_variable(auto& table, std::string_view name) {
  return std::find_if(table.begin(), table.end(),
                      [&](const Setting& each) { return !each.flag_only && variable_name(each) == name; });
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  if (parts.empty()) parts.emplace_back();  // set to nothing is not the same as unset
  return parts;
}

}  // namespace

std::vector<Given> parse_environment(Table& table, std::span<const std::string> variables,
                                     const Table& known) {
  std::vector<Given> given;
  for (const std::string& each : variables) {
    if (!each.starts_with(prefix)) continue;
    const auto equals = std::min(each.find('='), each.size());
    const std::string name = each.substr(0, equals);
    if (name == of_scripts) continue;
    const std::string value = each.substr(std::min(equals + 1, each.size()));
    if (is_service_link(name, value)) continue;
    if (const auto setting = find_variable(table, name); setting != table.end()) {
      auto texts = kind_of(*setting) == Kind::texts ? split_list(value) : std::vector{value};
      given.push_back({&*setting, std::move(texts), name});
    } else if (find_variable(known, name) == known.end()) {
      std::vector<std::string> names;
      for (const Setting& one : known)
        if (!one.flag_only) names.push_back(variable_name(one));
      throw UsageError("unknown variable", name, "the nearest known one is " + nearest(name, names));
    }
  }
  return given;
}

std::vector<std::string> process_environment() {
  std::vector<std::string> variables;
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) variables.emplace_back(*each);
  return variables;
}

}  // namespace troupe::config
