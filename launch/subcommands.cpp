#include "launch/subcommands.hpp"

#include <algorithm>
#include <array>
#include <iostream>

#include "config/nearest.hpp"
#include "config/setting.hpp"

namespace troupe::launch {
namespace {

struct Subcommand {
  std::string_view name;
  std::string_view summary;
  int (*run)(const Arguments&);
};

constexpr std::array subcommands{
    Subcommand{"serve", "answer OpenAI clients over HTTP", serve},
    Subcommand{"node", "join a replica as one of its nodes", node},
    Subcommand{"worker", "what nodes start, one process a rank", worker},
    Subcommand{"generate", "continue one prompt, streamed to the terminal", generate},
    Subcommand{"chat", "talk with a model on the terminal", chat_on_terminal},
    Subcommand{"run-batch", "answer a file of requests", run_batch},
    Subcommand{"logits", "logits of every position of given token ids", logits},
    Subcommand{"pull", "bring a model's files from Hugging Face", pull_model},
    Subcommand{"check", "verify a checkpoint and describe it", check},
    Subcommand{"convert", "write a checkpoint in another form", convert},
    Subcommand{"tokenize", "JSON lines of text or token ids to both", tokenize},
    Subcommand{"template", "JSON lines of chats to prompts", render_template},
    Subcommand{"synth", "write a random checkpoint", synth},
    Subcommand{"size", "what a model needs, and what fits on a machine", size_up},
    Subcommand{"simulate", "try batch policies on traces, without a model", simulate},
    Subcommand{"status", "how a server's replica is", status},
    Subcommand{"smoke", "check that a server serves", smoke_test},
    Subcommand{"doctor", "what is wrong with a machine or a server", see_doctor},
    Subcommand{"bench", "measure a server or the engine", bench},
    Subcommand{"certs", "make certificates for the hosts of a replica", certs},
    Subcommand{"keys", "edit the keys of a server's callers", keys},
    Subcommand{"selftest", "test what a replica stands on", selftest},
    Subcommand{"version", "print the version", version},
};

int help(std::ostream& out) {
  out << "NAME\n"
         "       troupe - serves DeepSeek V3-class models\n\n"
         "SYNOPSIS\n"
         "       troupe SUBCOMMAND [ARGUMENT]...\n\n"
         "SUBCOMMANDS\n";
  for (const Subcommand& each : subcommands)
    out << "       " << each.name << std::string(12 - each.name.size(), ' ') << each.summary << "\n";
  out << "\n       troupe SUBCOMMAND --help is the manual page of one.\n";
  return 0;
}

}  // namespace

int run_subcommand(const Arguments& words) {
  if (words.empty()) {
    help(std::cerr);
    return 2;
  }
  const std::string& name = words.front();
  if (name == "--help" || name == "-h" || name == "help") return help(std::cout);
  if (name == "--version") return version({});
  const auto found = std::find_if(subcommands.begin(), subcommands.end(),
                                  [&](const auto& each) { return each.name == name; });
  if (found == subcommands.end()) {
    std::vector<std::string> names;
    for (const Subcommand& each : subcommands) names.emplace_back(each.name);
    throw config::UsageError("unknown subcommand", name,
                             "the nearest known one is " + config::nearest(name, names));
  }
  return found->run({words.begin() + 1, words.end()});
}

}  // namespace troupe::launch
