#include "launch/subcommand_group.hpp"

#include <algorithm>
#include <iostream>

#include "config/nearest.hpp"
#include "config/setting.hpp"

namespace troupe::launch {
namespace {

void print_page(const SubcommandGroup& group) {
  std::cout << "NAME\n       troupe-" << group.name << " - " << group.summary << "\n\nSYNOPSIS\n";
  for (const auto& each : group.members)
    std::cout << "       troupe " << group.name << ' ' << each.name << ' ' << each.synopsis << '\n';
  std::cout << "\n       troupe " << group.name << ' ' << group.members.front().name
            << " --help is the manual page of one.\n";
}

}  // namespace

int run_group(const SubcommandGroup& group, const Arguments& arguments) {
  const std::string name = arguments.empty() ? "" : arguments.front();
  if (name == "--help" || name == "-h") {
    print_page(group);
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
