#include "launch/subcommand_group.hpp"

#include <algorithm>

#include "config/nearest.hpp"
#include "launch/command_line.hpp"

namespace troupe::launch {
namespace {

void show_page_of(const SubcommandGroup& group) {
  std::vector<config::Subcommand> subcommands;
  for (const auto& each : group.members) subcommands.push_back({each.name, each.summary});
  show_page({.command = group.name, .summary = group.summary, .subcommands = subcommands}, {});
}

}  // namespace

int run_group(const SubcommandGroup& group, const Arguments& arguments) {
  const std::string name = arguments.empty() ? "" : arguments.front();
  if (name == "--help" || name == "-h") {
    show_page_of(group);
    return 0;
  }
  const auto member = std::ranges::find(group.members, name, &SubcommandGroup::Member::name);
  if (member != group.members.end()) return member->run(Arguments(arguments.begin() + 1, arguments.end()));
  std::vector<std::string> known;
  for (const auto& each : group.members) known.emplace_back(each.name);
  throw config::UsageError(
      name.empty() ? std::string(group.missing) : "'" + name + "' " + std::string(group.unknown),
      std::string(group.name), "the nearest known one is " + config::nearest(name, known));
}

}  // namespace troupe::launch
