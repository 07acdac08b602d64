#include <filesystem>

#include "config/bash_completion.hpp"
#include "config/man_page.hpp"
#include "config/zsh_completion.hpp"
#include "launch/command_line.hpp"
#include "launch/whole_file.hpp"

namespace troupe::launch {
namespace {

using std::filesystem::path;

constexpr config::Page page{
    .command = "manual",
    .summary = "writes manual pages and completions for shells",
    .description =
        "Writes a page for man of every subcommand, and what bash and zsh complete command lines by, made of the settings "
        "themselves. The folder is laid out as /usr/share: man/man1/troupe.1 and so on, "
        "bash-completion/completions/troupe, zsh/vendor-completions/_troupe.\n\n"
        "An installed program has them. For one that is not, ~/.local/share is where man and bash look, too, if "
        "~/.local/bin is in PATH; zsh looks in the folders of its fpath.",
    .examples =
        "$ troupe manual --out ~/.local/share\n"
        "$ troupe manual --out build/manual && man build/manual/man/man1/troupe-serve.1"};

// The page of a command and those of all below it, each with its settings.
void read_pages(const Arguments& command, const PageReader& reader) {
  std::vector<std::string> below;
  {
    const PageReading reading([&](const config::Page& shown, const config::Table& table) {
      reader(shown, table);
      for (const config::Subcommand& each : shown.subcommands) below.emplace_back(each.name);
    });
    Arguments words = command;
    words.emplace_back("--help");
    run_subcommand(words);
  }
  for (const std::string& each : below) {
    Arguments words = command;
    words.push_back(each);
    read_pages(words, reader);
  }
}

void write(const path& file, const std::string& text) {
  std::error_code failure;
  create_directories(file.parent_path(), failure);
  if (failure)
    throw Error("cannot be made: " + failure.message(), file.parent_path().string(), "choose another --out");
  write_whole_file(file, text, 0644);
}

}  // namespace

int manual(const Arguments& arguments) {
  std::string out;
  config::Table table{{.name = "out",
                       .target = &out,
                       .argument = "FOLDER",
                       .help = "Where they are written; is made if it is not there.",
                       .required = true,
                       .flag_only = true}};
  if (!read_command_line(page, table, arguments)) return 0;
  const path folder = out;
  std::string bash, zsh;
  read_pages({}, [&](const config::Page& shown, const config::Table& settings) {
    write(folder / "man/man1" / (config::page_name(shown.command) + ".1"),
          config::man_page(shown, settings, TROUPE_VERSION));
    bash += config::bash_function(shown, settings);
    zsh += config::zsh_function(shown, settings);
  });
  write(folder / "bash-completion/completions/troupe", config::bash_script(bash));
  write(folder / "zsh/vendor-completions/_troupe", config::zsh_script(zsh));
  return 0;
}

}  // namespace troupe::launch
