#include "config/bash_completion.hpp"

#include <algorithm>

#include "config/completion.hpp"
#include "config/manual_sections.hpp"

namespace troupe::config {
namespace {

constexpr std::string_view head = R"(# Completion of troupe for bash, made by troupe manual.

# _troupe_of_COMMAND WORD: what the command takes. flags: all of them. takes: nothing, if WORD is a switch; else what comes behind
# the flag WORD, or as the argument number WORD: word, file or folder. words: some that it may be.
)";

constexpr std::string_view tail = R"(
_troupe() {
  local command=_troupe_of flags= takes= words= expecting= argument=1 i=1 word
  while ((i < COMP_CWORD)) && declare -F "${command}_${COMP_WORDS[i]}" >/dev/null; do
    command+=_${COMP_WORDS[i++]}
  done
  for (( ; i < COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    if [[ $word == '=' ]]; then
      continue  # --flag=value is three words
    elif [[ $expecting ]]; then
      expecting=
    elif [[ $word == -?* ]]; then
      takes=
      $command "$word"
      [[ $takes ]] && expecting=$word
    else
      ((++argument))
    fi
  done
  word=${COMP_WORDS[COMP_CWORD]}
  [[ $word == '=' ]] && word=
  takes= words=
  $command "${expecting:-$argument}"
  if [[ ! $expecting && ($word == -* || ! $takes) ]]; then
    takes=word words=$flags
  fi
  mapfile -t COMPREPLY < <(
    [[ $words ]] && compgen -W "$words" -- "$word"
    case $takes in
      file) compgen -f -- "$word" ;;
      folder) compgen -d -- "$word" ;;
    esac
  )
  if [[ $takes != word ]]; then
    compopt -o filenames 2>/dev/null
  fi
}
complete -F _troupe troupe
)";

void append_word(std::string& list, std::string_view word) {
  list.append(list.empty() ? "" : " ").append(word);
}

// Words of a table need no quoting, but between quotes of the whole.
std::string joined(const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& each : words) append_word(list, each);
  return list;
}

std::string_view kind_word(Completion::Paths paths) {
  switch (paths) {
    case Completion::Paths::files:
      return "file";
    case Completion::Paths::folders:
      return "folder";
    case Completion::Paths::none:
      break;
  }
  return "word";
}

// "--model|1": what the function may be asked of a setting. next: number of the next argument without a flag.
std::string pattern_of(const Setting& setting, int& next) {
  std::string pattern;
  const auto add = [&](const std::string& word) { pattern.append(pattern.empty() ? "" : "|").append(word); };
  if (!setting.short_flag.empty()) add(std::string(setting.short_flag));
  if (shows_flag(setting)) add("--" + std::string(setting.name));
  if (setting.positional && kind_of(setting) == Kind::texts)
    add("[1-9]*");  // and all behind it
  else if (setting.positional)
    add(std::to_string(next++));
  return pattern;
}

std::string flags_of_all(const Table& table) {
  std::string flags;
  for (const Setting& each : table) {
    if (!each.short_flag.empty()) append_word(flags, each.short_flag);
    if (shows_flag(each)) append_word(flags, "--" + std::string(each.name));
    if (has_opposite(each)) append_word(flags, "--no-" + std::string(each.name));
  }
  append_word(flags, "-h");
  append_word(flags, "--help");
  return flags;
}

}  // namespace

std::string bash_function(const Page& page, const Table& table) {
  std::string name = "_troupe_of";
  if (!page.command.empty()) name.append("_").append(page.command);
  std::replace(name.begin(), name.end(), ' ', '_');
  std::string text = "\n" + name + "() {\n  flags='" + flags_of_all(table) + "'\n  case $1 in\n";
  if (!page.subcommands.empty()) {
    std::string names;
    for (const Subcommand& each : page.subcommands) append_word(names, each.name);
    text += "    1) takes=word words='" + names + "' ;;\n";
  }
  int next = 1;
  for (const Setting& each : table) {
    if (kind_of(each) == Kind::boolean) continue;
    const Completion completion = completion_of(each);
    text += "    " + pattern_of(each, next) + ") takes=" + std::string(kind_word(completion.paths));
    if (!completion.words.empty()) text += " words='" + joined(completion.words) + "'";
    text += " ;;\n";
  }
  return text + "  esac\n}\n";
}

std::string bash_script(const std::string& functions) {
  return std::string(head) + functions + std::string(tail);
}

}  // namespace troupe::config
