#include "launch/pull/pull.hpp"

#include <algorithm>
#include <csignal>
#include <iostream>
#include <memory>

#include "config/settings.hpp"
#include "launch/command_line.hpp"
#include "launch/progress_bar.hpp"
#include "launch/pull/proxy.hpp"
#include "launch/server_url.hpp"
#include "runtime/base/clock.hpp"

namespace troupe::launch {
namespace {

using pull::Url;

constexpr std::string_view hugging_face = "https://huggingface.co";
constexpr std::uint64_t million = 1'000'000;  // bytes, of the progress bar

constexpr config::Page page{
    .command = "pull",
    .summary = "brings a model's files from Hugging Face",
    .description =
        "Brings a model into a folder, at the commit that its revision names at that moment: over several connections, in "
        "parts, each file into its place once its hash is the one that the server tells. Killed at any moment and run again, "
        "it goes on where it was. Without --include it brings what the server reads: config.json, tokenizer, template, "
        "safetensors, or else a GGUF file.\n\n"
        "It writes MANIFEST.sha256 last, which sha256sum -c, troupe check --manifest and troupe serve --require-manifest "
        "read. Where that is there for the commit that REVISION is, nothing is asked of the network.\n\n"
        "HF_TOKEN, an access token for models that are gated or private, is shown to the endpoint and to nobody else; "
        "HF_ENDPOINT is the endpoint where --endpoint is not given. Certificates are verified with the system's "
        "authorities, or those that SSL_CERT_FILE names. HTTPS_PROXY, http_proxy and NO_PROXY count, but for loopback.",
    .examples =
        "$ troupe pull deepseek-ai/DeepSeek-V3@e815299b0bcbac849fa540c768ef21845365c9eb --to /models/deepseek-v3\n"
        "$ HF_TOKEN=hf_... troupe pull meta-llama/Llama-3.1-8B-Instruct\n"
        "$ troupe pull unsloth/Qwen3-0.6B-GGUF --include '*Q8_0.gguf' --to qwen3",
    .exit_status =
        "0 the folder has the files; 1 it has not: the message says why; 2 wrong flag, variable or name."};

struct Options {
  std::string model, folder, endpoint;
  std::vector<std::string> include, exclude, allowed_hosts;
  std::int32_t connections = 8, retries = 5;
  std::chrono::milliseconds timeout{30'000}, retry_delay{1000};
};

config::Table file_rows(Options& o) {
  return {
      {.name = "model",
       .target = &o.model,
       .argument = "REPO[@REVISION]",
       .help = "The model, and which state of it: a branch, a tag, or best a commit.",
       .positional = true,
       .required = true},
      {.name = "to",
       .target = &o.folder,
       .argument = "FOLDER",
       .help = "Where the files go.",
       .unset = "one with the model's name"},
      {.name = "include",
       .target = &o.include,
       .argument = "PATTERN",
       .help = "Files to bring, such as '*.gguf'; may be given several times. '*' is all.",
       .unset = "what a checkpoint needs"},
      {.name = "exclude",
       .target = &o.exclude,
       .argument = "PATTERN",
       .help = "And of those not these; may be given several times.",
       .unset = "none"},
  };
}

config::Table network_rows(Options& o) {
  return {
      {.name = "endpoint",
       .target = &o.endpoint,
       .argument = "URL",
       .help = "A server that has Hugging Face's file API.",
       .unset = "HF_ENDPOINT, or https://huggingface.co"},
      {.name = "allow-host",
       .target = &o.allowed_hosts,
       .argument = "HOST",
       .help =
           "Host that the endpoint may redirect to: HOST, HOST:PORT or *.DOMAIN; may be given several times. Any other "
           "is refused.",
       .unset = "*.huggingface.co and *.hf.co for https://huggingface.co, else none"},
      {.name = "connections",
       .target = &o.connections,
       .argument = "N",
       .help = "Connections at a time.",
       .range = {1, 64}},
      {.name = "timeout",
       .target = &o.timeout,
       .argument = "SECONDS",
       .help = "After which a connection that brings nothing is given up.",
       .range = {0, 3600, true}},
      {.name = "retries",
       .target = &o.retries,
       .argument = "N",
       .help = "How often something is tried again that fails without any progress.",
       .range = {0, 1000}},
      {.name = "retry-delay",
       .target = &o.retry_delay,
       .argument = "SECONDS",
       .help =
           "Before the first time; twice as much before each further one, a minute at most. Retry-After of the server "
           "is kept besides.",
       .range = {0, 60}},
  };
}

config::Table options_table(Options& o) {
  config::Table table = file_rows(o);
  config::append(table, network_rows(o), "NETWORK");
  for (config::Setting& each : table) each.flag_only = true;
  return table;
}

pull::HubOptions hub_options(const Options& o) {
  std::string text = o.endpoint, source = "--endpoint";
  if (text.empty()) text = pull::process_variable("HF_ENDPOINT"), source = "HF_ENDPOINT";
  if (text.empty()) text = hugging_face;
  const auto endpoint = pull::parse_url(text);
  if (!endpoint || endpoint->target.find('?') != endpoint->target.npos)
    throw config::UsageError("'" + text + "' is no URL of a server", source,
                             "such as https://huggingface.co");
  pull::HubOptions hub{
      .endpoint = *endpoint, .token = pull::process_variable("HF_TOKEN"), .allowed_hosts = o.allowed_hosts};
  hub.agent = "troupe/" TROUPE_VERSION;
  if (endpoint->origin() == pull::parse_url(hugging_face)->origin())
    hub.allowed_hosts.insert(hub.allowed_hosts.end(), {"*.huggingface.co", "*.hf.co"});
  if (!std::ranges::all_of(hub.token, is_visible))
    throw config::UsageError("has a space or a control character", "HF_TOKEN");
  if (!hub.token.empty() && !endpoint->secure && !config::is_loopback(endpoint->host))
    throw config::UsageError("HF_TOKEN would go over the network in clear", source,
                             "give an endpoint with https");
  return hub;
}

// Lines, and on a terminal a bar below them.
class Screen {
 public:
  void tell(const std::string& line) {
    std::cerr << (bar_ && bar_->shown() ? "\r\x1b[K" : "") << line << "\n";
  }
  void show(std::uint64_t done, std::uint64_t all) {
    constexpr Duration often = std::chrono::milliseconds(200);
    if (done < all && now() - shown_ < often) return;
    shown_ = now();
    if (!bar_) bar_ = std::make_unique<ProgressBar>(all / million);
    bar_->show(done / million);
  }
  void end() { bar_.reset(); }

 private:
  std::unique_ptr<ProgressBar> bar_;  // in millions of bytes
  TimePoint shown_;
};

}  // namespace

int pull_model(const Arguments& arguments) {
  Options o;
  config::Table table = options_table(o);
  if (!read_command_line(page, table, arguments)) return 0;
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of its own
  Screen screen;
  pull::PullOptions options{.model = pull::parse_model(o.model, "REPO"),
                            .folder = o.folder,
                            .selection = {o.include, o.exclude},
                            .hub = hub_options(o),
                            .download = {}};
  if (o.folder.empty())
    options.folder = options.model.repository.substr(options.model.repository.find('/') + 1);
  options.download = {.connections = o.connections,
                      .retries = {o.retries, o.retry_delay},
                      .silence = o.timeout,
                      .tell = [&](const std::string& line) { screen.tell(line); },
                      .progress = [&](std::uint64_t done, std::uint64_t all) { screen.show(done, all); }};
  const pull::Pulled pulled = pull::pull(options);
  screen.end();
  std::cout << options.folder.string() << ": " << options.model.repository << "@" << pulled.commit << ", "
            << pulled.files << (pulled.files == 1 ? " file" : " files")
            << (pulled.was_there ? ", was there" : "") << "\n";
  return 0;
}

}  // namespace troupe::launch
