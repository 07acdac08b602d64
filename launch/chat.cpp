#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <memory>

#include "actors/edge/http_server.hpp"
#include "launch/asked_server.hpp"
#include "launch/chat/conversation.hpp"
#include "launch/chat/line_editor.hpp"
#include "launch/command_line.hpp"
#include "launch/demo_model.hpp"
#include "launch/extra_body.hpp"
#include "launch/json_lines.hpp"
#include "launch/server.hpp"
#include "launch/server_answer.hpp"
#include "launch/server_key.hpp"
#include "launch/stop_signals.hpp"
#include "runtime/base/random_id.hpp"

namespace troupe::launch {
namespace {

constexpr config::Page page{
    .command = "chat",
    .summary = "talks with a model on the terminal",
    .description =
        "Sends what you type, a message a line, to a model, and shows what it answers while it comes; on a terminal its "
        "reasoning is dim. The conversation is kept in memory: /reset forgets it, /quit or Ctrl-D ends the program, "
        "Ctrl-C stops an answer, or clears the line that is typed, and ends the program while a model is loaded.\n\n"
        "With a URL it speaks to any server with OpenAI's API; with a checkpoint, or nothing, that model or the demo "
        "model is loaded for the time of the conversation. Without a terminal, each line of standard input is a message, "
        "its answer goes to standard output, and Ctrl-C ends the program.",
    .examples =
        "$ troupe chat\n"
        "$ troupe chat http://127.0.0.1:8000\n"
        "$ troupe chat /models/deepseek-v3 --extra-body '{\"temperature\": 0, \"chat_template_kwargs\": "
        "{\"thinking\": true}}'",
    .exit_status =
        "0 every message was answered; 1 one was not, or the model cannot be loaded; 2 wrong flag, variable "
        "or URL; 130 Ctrl-C came while the model was loaded."};

constexpr int exit_of_interrupt = 130;  // as shells tell of SIGINT

struct Options {
  std::string partner, model, system, extra_body = "{}";
  std::chrono::milliseconds silence{300'000};
};

config::Table options_table(Options& o) {
  config::Table table{
      {.name = "partner",
       .target = &o.partner,
       .argument = "URL|CHECKPOINT",
       .help = "Whom to talk with: http://HOST:PORT of a server, or a checkpoint's folder.",
       .unset = "the demo model",
       .positional = true},
      {.name = "model",
       .target = &o.model,
       .argument = "NAME",
       .help = "As the server calls it.",
       .unset = "the first of the server's /v1/models"},
      {.name = "system",
       .target = &o.system,
       .argument = "TEXT",
       .help = "What stands before the conversation.",
       .unset = "nothing"},
      {.name = "extra-body",
       .target = &o.extra_body,
       .argument = "JSON",
       .help = "An object; its fields are put into each request."},
      {.name = "timeout",
       .target = &o.silence,
       .argument = "SECONDS",
       .help = "An answer fails when nothing of it comes for so long.",
       .range = {0, 86400, true}},
  };
  for (config::Setting& each : table) each.flag_only = true;
  return table;
}

config::Table settings_table(config::Settings& settings) {
  config::Table table =
      config::select(config::schema(settings),
                     {"max-model-len", "max-num-batched-tokens", "kv-cache-memory-bytes", "block-size",
                      "kv-cache-dtype", "device", "threads", "virtual-shards", "expert-shards", "log-level"});
  table.insert(table.begin(), server_key_setting(settings));
  return table;
}

// A model of our own: a server that listens on a free port of loopback, with a key that only this process knows.
class OwnServer {
 public:
  OwnServer(config::Settings& settings, const std::string& checkpoint)
      : replica_(
            start_replica(private_settings(settings, checkpoint), checkpoint_or_demo(checkpoint), launch_)),
        http_(settings.edge, TROUPE_VERSION, replica_) {}

  // False: an interrupt came before.
  bool wait(const chat::Interrupts& interrupts, const std::string& checkpoint) const {
    return wait_until_ready(*replica_, checkpoint_or_demo(checkpoint), [&] { return interrupts.came(); });
  }

  ServerUrl url() const {
    const std::string port = std::to_string(http_.port());
    return {.authority = "127.0.0.1:" + port, .host = "127.0.0.1", .port = port, .path = {}};
  }

 private:
  static const config::Settings& private_settings(config::Settings& settings, const std::string& checkpoint) {
    settings.model = checkpoint;
    settings.scheduler.max_num_seqs = 1;
    settings.edge.host = "127.0.0.1";
    settings.edge.port = 0;
    settings.edge.api_keys = {random_id()};
    return settings;
  }

  const Launch launch_;
  const std::shared_ptr<actors::Replica> replica_;
  actors::edge::HttpServer http_;
};

// HOST:PORT, which is a URL but for its scheme, and no folder.
bool lacks_scheme(const std::string& partner) {
  std::error_code ignored;
  const auto colon = partner.rfind(':');
  return colon != partner.npos && colon > 0 && colon + 1 < partner.size() &&
         partner.find('/') == partner.npos &&
         partner.find_first_not_of("0123456789", colon + 1) == partner.npos &&
         !std::filesystem::exists(partner, ignored);
}

chat::Partner partner_of(const Options& options) {
  chat::Partner partner{.url = {},
                        .headers = {},
                        .model = options.model,
                        .silence = options.silence,
                        .system = options.system,
                        .extra_body = parse_extra_body(options.extra_body)};
  if (is_url(options.partner)) partner.url = parse_api_url(options.partner);
  if (lacks_scheme(options.partner))
    throw config::UsageError("'" + options.partner + "' is neither a folder nor a URL", "URL|CHECKPOINT",
                             "give http://" + options.partner);
  return partner;
}

// Returns whether the message was answered.
bool say(chat::Conversation& conversation, const std::string& message) {
  try {
    if (const auto ok = check_length(message); !ok) throw Error(ok.error().message, "the message");
    conversation.say(message);
    return true;
  } catch (const Error& error) {
    std::cerr << "troupe: " << one_line(error.what()) << std::endl;
    return false;
  }
}

// A word behind a slash; a message may begin with a path.
bool is_command(const std::string& message) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz";
  return message.size() > 1 && message[0] == '/' && message.find_first_not_of(letters, 1) == message.npos;
}

// What is typed, edited where that can be done.
class Messages {
 public:
  Messages(chat::Screen& screen, const chat::Interrupts& interrupts)
      : screen_(screen), interrupts_(interrupts) {
    if (screen.terminal()) editor_ = chat::LineEditor::make(prompt);
  }

  bool next(std::string& message) {
    if (editor_) return editor_->read(message);
    screen_.notice(prompt);
    if (screen_.terminal()) return read_line(std::cin, message);
    const chat::Interrupts::Pause pause(interrupts_);
    return read_line(std::cin, message);
  }

 private:
  static constexpr const char* prompt = "> ";

  chat::Screen& screen_;
  const chat::Interrupts& interrupts_;
  std::unique_ptr<chat::LineEditor> editor_;
};

// Until the input ends; whether every message was answered.
bool converse(chat::Conversation& conversation, chat::Screen& screen, const chat::Interrupts& interrupts) {
  bool answered = true;
  std::string message;
  for (Messages messages(screen, interrupts); messages.next(message);) {
    if (message == "/quit") return answered;
    if (message == "/reset")
      conversation.reset();
    else if (is_command(message))
      std::cerr << "troupe: commands are /reset, which forgets the conversation, and /quit" << std::endl;
    else if (!message.empty())
      answered = say(conversation, message) && answered;
    if (!std::cout) throw Error("cannot be written", "standard output");
  }
  screen.notice("\n");
  return answered;
}

}  // namespace

int chat_on_terminal(const Arguments& arguments) {
  config::Settings settings;
  settings.log_level = "error";  // the terminal belongs to the conversation
  Options options;
  config::Table table = options_table(options);
  config::append(table, settings_table(settings), "SERVER AND DEPLOYMENT");
  if (!read_command_line(page, table, arguments)) return 0;
  chat::Partner partner = partner_of(options);
  config::validate(settings);
  expect_peers_to_leave();
  const chat::Interrupts interrupts;
  std::optional<OwnServer> own;
  if (!is_url(options.partner)) {
    partner.url = own.emplace(settings, options.partner).url();
    if (!own->wait(interrupts, options.partner)) return exit_of_interrupt;
  }
  partner.headers = key_headers(settings);
  chat::Screen screen(std::cout, isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1);
  chat::Conversation conversation(std::move(partner), interrupts, screen);
  return converse(conversation, screen, interrupts) ? 0 : 1;
}

}  // namespace troupe::launch
