#include "config/zsh_completion.hpp"

#include <algorithm>

#include "config/completion.hpp"
#include "config/manual_sections.hpp"

namespace troupe::config {
namespace {

// A word of the shell that is this text.
std::string single_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text)
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  return out + "'";
}

// Text within what _arguments and _describe read.
std::string in_specification(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

// Of a help its first sentence, without its point.
std::string_view first_sentence(std::string_view help) {
  const auto end = help.find(". ");
  help = help.substr(0, end);
  if (help.ends_with('.')) help.remove_suffix(1);
  return help;
}

// What only tells that a value comes, and does not keep flags from being completed in its place.
constexpr std::string_view some_argument = "_guard \"^-*\" value";

// ":FILE:_files": what a value is called, and what makes it.
std::string value_of(const Setting& setting) {
  const Completion completion = completion_of(setting);
  std::string words;
  for (const std::string& each : completion.words) words += (words.empty() ? "" : " ") + each;
  const std::string_view files = completion.paths == Completion::Paths::folders ? "_files -/"
                                 : completion.paths == Completion::Paths::files ? "_files"
                                                                                : "";
  const std::string name = ":" + in_specification(setting.argument) + ":";
  if (words.empty() && files.empty()) return name + (setting.positional ? std::string(some_argument) : " ");
  if (words.empty()) return name + std::string(files);
  if (files.empty()) return name + "(" + words + ")";
  return name + "{compadd -- " + words + "; " + std::string(files) + "}";
}

std::string flag_specifications(const Setting& setting) {
  const std::string flag = "--" + std::string(setting.name);
  const std::string help = "[" + in_specification(first_sentence(setting.help)) + "]";
  if (kind_of(setting) == Kind::boolean) {
    const std::string spelled = setting.short_flag.empty() ? single_quoted(flag + help)
                                                           : "{" + std::string(setting.short_flag) + "," +
                                                                 flag + "}" + single_quoted(help);
    return spelled +
           (has_opposite(setting) ? " " + single_quoted("--no-" + std::string(setting.name) + help) : "");
  }
  const std::string many = kind_of(setting) == Kind::texts ? "*" : "";
  const std::string value = help + value_of(setting);
  if (setting.short_flag.empty()) return single_quoted(many + flag + "=" + value);
  return (many.empty() ? "" : "\\*") + ("{" + std::string(setting.short_flag) + "," + flag + "=}") +
         single_quoted(value);
}

std::string function_name(std::string_view command) {
  std::string name = "_troupe_of";
  if (!command.empty()) name.append("_").append(command);
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

std::string of_subcommands(const Page& page) {
  std::string text =
      "  local context state state_descr line\n  typeset -A opt_args\n"
      "  _arguments -C '(- *)'{-h,--help}'[show the manual page]' '1: :->subcommand' '*:: :->arguments'\n"
      "  case $state in\n    subcommand)\n      local -a subcommands=(\n";
  for (const Subcommand& each : page.subcommands)
    text += "        " + single_quoted(in_specification(each.name) + ":" + std::string(each.summary)) + "\n";
  const std::string function = function_name(page.command);
  return text +
         "      )\n      _describe -t commands subcommand subcommands ;;\n    arguments)\n      (( ${+functions[" +
         function + "_$line[1]]} )) && " + function + "_$line[1] ;;\n  esac\n";
}

std::string of_settings(const Table& table) {
  std::string text = "  _arguments";
  const auto add = [&](const std::string& specification) { text += " \\\n    " + specification; };
  for (const Setting& each : table) {
    if (shows_flag(each)) add(flag_specifications(each));
    if (each.positional) add(single_quoted((kind_of(each) == Kind::texts ? "*" : ":") + value_of(each)));
  }
  add("'(- *)'{-h,--help}'[show the manual page]'");
  return text + "\n";
}

}  // namespace

std::string zsh_function(const Page& page, const Table& table) {
  return "\n" + function_name(page.command) + "() {\n" +
         (page.subcommands.empty() ? of_settings(table) : of_subcommands(page)) + "}\n";
}

std::string zsh_script(const std::string& functions) {
  return "#compdef troupe\n# Completion of troupe for zsh, made by troupe manual.\n" + functions +
         "\n_troupe_of \"$@\"\n";
}

}  // namespace troupe::config
