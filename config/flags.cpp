#include "config/flags.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "config/nearest.hpp"

namespace troupe::config {
namespace {

std::string flag_of(const Setting& setting) {
  return "--" + std::string(setting.name);
}
std::string negation_of(const Setting& setting) {
  return "--no-" + std::string(setting.name);
}

std::vector<std::string> known_flags(const Table& table) {
  std::vector<std::string> known{"--help"};
  for (const Setting& each : table) {
    known.push_back(flag_of(each));
    if (!each.short_flag.empty()) known.emplace_back(each.short_flag);
    if (kind_of(each) == Kind::boolean) known.push_back(negation_of(each));
  }
  return known;
}

// CLI11 2.1 knows no short flags of two letters, and takes underscores as they are.
std::string long_form(const Table& table, const std::string& argument) {
  const auto equals = std::min(argument.find('='), argument.size());
  std::string flag = argument.substr(0, equals);
  for (const Setting& each : table)
    if (!each.short_flag.empty() && flag == each.short_flag) flag = flag_of(each);
  if (flag.starts_with("--")) std::replace(flag.begin(), flag.end(), '_', '-');
  return flag + argument.substr(equals);
}

// The setting whose flag this is, with its value behind it; null: none.
const Setting* takes_next(const Table& table, const std::string& flag) {
  const auto found = std::find_if(table.begin(), table.end(), [&](const Setting& each) {
    return flag == flag_of(each) && kind_of(each) != Kind::boolean;
  });
  return found == table.end() ? nullptr : &*found;
}

// As vLLM has it, a list may stand behind one flag. Here the flag comes before each of its values, for what is
// positional may stand behind them, too: only where that has been given already do all belong to the list.
std::vector<std::string> with_a_flag_each(const Table& table, std::span<const std::string> arguments) {
  std::vector<std::string> spread;
  bool positional_given = false;
  const Setting* list = nullptr;  // whose values come
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--") {
      spread.insert(spread.end(), arguments.begin() + std::ptrdiff_t(i), arguments.end());
      break;
    }
    const std::string argument = long_form(table, arguments[i]);
    const bool is_value = !argument.starts_with('-') || argument == "-";
    if (is_value && list && positional_given) spread.push_back(flag_of(*list));
    if (is_value && !list) positional_given = true;
    spread.push_back(argument);
    if (is_value) continue;
    const Setting* setting = takes_next(table, argument);
    list = setting && kind_of(*setting) == Kind::texts ? setting : nullptr;
    if (!setting || i + 1 == arguments.size()) continue;
    if (setting->positional) positional_given = true;
    spread.push_back(arguments[++i]);
  }
  return spread;
}

CLI::Option* add_option(CLI::App& app, const Setting& setting) {
  CLI::Option* option = nullptr;
  if (kind_of(setting) == Kind::boolean) {
    option = app.add_flag(flag_of(setting) + ",!" + negation_of(setting));
  } else {
    const std::string positional = setting.positional ? std::string(setting.argument) + "," : "";
    option = app.add_option(positional + flag_of(setting));
    option->allow_extra_args(setting.positional && kind_of(setting) == Kind::texts);
  }
  if (kind_of(setting) == Kind::texts)
    option->take_all();  // one value each time: more would swallow the checkpoint behind them
  else
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  return option;
}

// A list may be given value by value, or as vLLM writes it, a JSON array of texts.
std::vector<std::string> values_of(const std::vector<std::string>& texts) {
  std::vector<std::string> values;
  for (const std::string& each : texts) {
    const auto array = nlohmann::json::parse(each, nullptr, false);
    if (array.is_array() &&
        std::all_of(array.begin(), array.end(), [](const auto& item) { return item.is_string(); }))
      values.insert(values.end(), array.begin(), array.end());
    else
      values.push_back(each);
  }
  return values;
}

[[noreturn]] void refuse_extra(const Table& table, const std::string& argument) {
  if (!argument.starts_with('-') || argument == "-")
    throw UsageError("'" + argument + "' is one argument too many", "command line", "see --help");
  const std::string flag = argument.substr(0, argument.find('='));
  throw UsageError("unknown flag", flag, "the nearest known one is " + nearest(flag, known_flags(table)));
}

}  // namespace

Flags parse_flags(Table& table, std::span<const std::string> arguments) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  const CLI::Option* help = app.add_flag("-h,--help");
  std::vector<CLI::Option*> options;
  for (const Setting& each : table) options.push_back(add_option(app, each));

  const std::vector<std::string> spread = with_a_flag_each(table, arguments);
  std::vector<std::string> reversed(spread.rbegin(), spread.rend());  // as CLI11 wants them
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& failure) {
    throw UsageError(failure.what(), "command line", "see --help");
  }

  Flags flags{.given = {}, .help = help->count() > 0};
  if (flags.help) return flags;
  std::vector<std::string> extras = app.remaining();
  // A mistyped flag leaves its value behind as an argument too many; the flag is what to name.
  std::stable_partition(extras.begin(), extras.end(), [](const auto& e) { return e.starts_with('-'); });
  if (!extras.empty()) refuse_extra(table, extras.front());
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (options[i]->count() == 0) {
      if (table[i].required)
        throw UsageError(
            (table[i].positional ? std::string(table[i].argument) : flag_of(table[i])) + " is missing",
            "command line", "see --help");
      continue;
    }
    std::vector<std::string> texts = options[i]->results();
    texts = kind_of(table[i]) == Kind::texts ? values_of(texts) : std::vector{texts.back()};
    flags.given.push_back({&table[i], std::move(texts), flag_of(table[i])});
  }
  return flags;
}

}  // namespace troupe::config
