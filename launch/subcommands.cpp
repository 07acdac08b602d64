#include "launch/subcommands.hpp"

#include <iostream>

#include "launch/command_line.hpp"
#include "launch/subcommand_group.hpp"

namespace troupe::launch {
namespace {

const SubcommandGroup& program() {
  static const SubcommandGroup group{
      .name = {},
      .summary = "serves DeepSeek V3-class models",
      .missing = "is no subcommand",
      .unknown = "is no subcommand",
      .members = {
          {"serve", "answer OpenAI clients over HTTP", serve},
          {"node", "join a replica as one of its nodes", node},
          {"worker", "what nodes start, one process a rank", worker},
          {"generate", "continue one prompt, streamed to the terminal", generate},
          {"chat", "talk with a model on the terminal", chat_on_terminal},
          {"run-batch", "answer a file of requests", run_batch},
          {"logits", "logits of every position of given token ids", logits},
          {"pull", "bring a model's files from Hugging Face", pull_model},
          {"check", "verify a checkpoint and describe it", check},
          {"convert", "write a checkpoint in another form", convert},
          {"tokenize", "JSON lines of text or token ids to both", tokenize},
          {"template", "JSON lines of chats to prompts", render_template},
          {"synth", "write a random checkpoint", synth},
          {"size", "what a model needs, and what fits on a machine", size_up},
          {"simulate", "try batch policies on traces, without a model", simulate},
          {"status", "how a server's replica is", status},
          {"smoke", "check that a server serves", smoke_test},
          {"doctor", "what is wrong with a machine or a server", see_doctor},
          {"bench", "measure a server or the engine", bench},
          {"certs", "make certificates for the hosts of a replica", certs},
          {"keys", "edit the keys of a server's callers", keys},
          {"selftest", "test what a replica stands on", selftest},
          {"manual", "write manual pages and completions for shells", manual},
          {"version", "print the version", version},
      }};
  return group;
}

}  // namespace

int run_subcommand(const Arguments& words) {
  if (words.empty()) {
    const PageReading to_standard_error(
        [](const auto& page, const auto& table) { std::cerr << config::manual(page, table); });
    run_group(program(), {"--help"});
    return 2;
  }
  const std::string& name = words.front();
  if (name == "help") return run_group(program(), {"--help"});
  if (name == "--version") return version({});
  return run_group(program(), words);
}

}  // namespace troupe::launch
