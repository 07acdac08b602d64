#include "config/completion.hpp"

#include "config/bash_completion.hpp"
#include "config/zsh_completion.hpp"

namespace troupe::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Paths = Completion::Paths;

Completion of(std::string_view argument) {
  static std::string text;
  return completion_of({.name = "x", .target = &text, .argument = argument});
}

TEST(Completion, TheManualsNameOfAValueTellsPaths) {
  for (const char* name : {"FILE", "FILE|TEXT", "FILE.html", "CHECKPOINT", "URL|CHECKPOINT|NAME", "OUT",
                           "OUT.safetensors", "CHECKPOINT|FILE.jinja"})
    EXPECT_EQ(of(name).paths, Paths::files) << name;
  EXPECT_EQ(of("FOLDER").paths, Paths::folders);
  for (const char* name : {"PATH", "NAME", "HOST:PORT", "N,...", "FOLDERS", "REPO[@REVISION]"})
    EXPECT_EQ(of(name).paths, Paths::none) << name;
  EXPECT_THAT(of("FILE|TEXT").words, IsEmpty());
}

TEST(Completion, WordsAreChoicesAndSmallLetters) {
  EXPECT_THAT(of("auto|none|FOLDER").words, ElementsAre("auto", "none"));
  EXPECT_EQ(of("auto|none|FOLDER").paths, Paths::folders);
  std::string text;
  const Setting setting{.name = "x", .target = &text, .argument = "TYPE", .choices = {"f32", "bf16"}};
  EXPECT_THAT(completion_of(setting).words, ElementsAre("f32", "bf16"));
}

struct Added {
  std::string name, type;
  std::vector<std::string> files;
  bool force = false;

  Table table() {
    return {{.name = "name", .target = &name, .argument = "NAME", .help = "Its name.", .positional = true},
            {.name = "file",
             .target = &files,
             .argument = "FILE",
             .help = "What.",
             .positional = true,
             .flag_only = true},
            {.name = "type",
             .target = &type,
             .argument = "TYPE",
             .help = "Of weights: [x] isn't. More.",
             .short_flag = "-t",
             .choices = {"f32", "bf16"}},
            {.name = "force", .target = &force, .help = "Replace.", .flag_only = true}};
  }
};

TEST(BashCompletion, AFunctionTellsWhatACommandTakes) {
  Added added;
  EXPECT_EQ(bash_function({.command = "keys add", .summary = "adds"}, added.table()),
            "\n_troupe_of_keys_add() {\n"
            "  flags='--name -t --type --force -h --help'\n"
            "  case $1 in\n"
            "    --name|1) takes=word ;;\n"
            "    [1-9]*) takes=file ;;\n"
            "    -t|--type) takes=word words='f32 bf16' ;;\n"
            "  esac\n}\n");
}

TEST(ZshCompletion, AFunctionTellsWhatACommandTakes) {
  Added added;
  const std::string text = zsh_function({.command = "keys add", .summary = "adds"}, added.table());
  EXPECT_THAT(
      text,
      HasSubstr(
          "\n_troupe_of_keys_add() {\n  _arguments \\\n    '--name=[Its name]:NAME:_guard \"^-*\" value' \\\n"
          "    '::NAME:_guard \"^-*\" value' \\\n    '*:FILE:_files' \\\n"));
  EXPECT_THAT(text, HasSubstr("{-t,--type=}'[Of weights\\: \\[x\\] isn'\\''t]:TYPE:(f32 bf16)'"));
  EXPECT_THAT(text, HasSubstr("'--force[Replace]'"));
  EXPECT_THAT(text, Not(HasSubstr("--no-force")));
}

}  // namespace
}  // namespace troupe::config
