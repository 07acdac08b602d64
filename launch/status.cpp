#include "actors/edge/asio.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "config/settings.hpp"
#include "launch/command_line.hpp"

namespace troupe::launch {
namespace {

using namespace actors::edge;  // net, http, Socket
using nlohmann::ordered_json;

constexpr std::uint64_t max_answer_bytes = 1 << 20;
constexpr std::string_view resource = "/v1/replica";

constexpr config::Page page{
    .command = "status",
    .summary = "tells how a server's replica is",
    .description =
        "Asks a server for its replica's epoch, state, ranks and last fault, and prints them. URL is "
        "http://HOST:PORT; a path is where the API begins, if not at /v1.",
    .examples =
        "$ troupe status http://127.0.0.1:8000\n"
        "$ TROUPE_API_KEY=secret troupe status http://node-a:8000 --json",
    .exit_status =
        "0 the replica is serving; 1 it is not, or cannot be asked; 2 wrong flag, variable or URL."};

struct Options {
  std::string url;
  bool json = false;
  std::chrono::milliseconds timeout{5000};
};

config::Table options_table(Options& o) {
  config::Table table{
      {.name = "url",
       .target = &o.url,
       .argument = "URL",
       .help = "Of the server.",
       .positional = true,
       .required = true},
      {.name = "json", .target = &o.json, .help = "Print the answer as it came."},
      {.name = "timeout",
       .target = &o.timeout,
       .argument = "SECONDS",
       .help = "For the whole answer to arrive.",
       .range = {0, 3600, true}},
  };
  for (config::Setting& each : table) each.flag_only = true;
  return table;
}

config::Table key_table(config::Settings& settings) {
  config::Table table = config::select(config::schema(settings), {"api-key"});
  table.front().help =
      "Shown to the server; of several the first. Other users of the machine can read flags: prefer "
      "TROUPE_API_KEY.";
  table.front().unset = "none is shown";
  return table;
}

bool is_visible(char c) {
  return c > ' ' && c < '\x7F';
}

struct Url {
  std::string authority, host, port = "80", path;
};

// [address]:port, name:port, or either without a port.
Url parse_authority(const std::string& authority, const std::string& whole) {
  const auto malformed = [&] {
    return config::UsageError("'" + whole + "' is no URL of a server", "URL",
                              "such as http://127.0.0.1:8000");
  };
  Url url{.authority = authority, .host = {}, .path = {}};
  const auto bracket = authority.rfind(']');
  const auto colon = authority.find(':', bracket == authority.npos ? 0 : bracket);
  url.host = authority.substr(0, colon);
  if (colon != authority.npos) url.port = authority.substr(colon + 1);
  if (authority.starts_with('[') && bracket != authority.npos) {
    if (url.host.back() != ']') throw malformed();
    url.host = url.host.substr(1, url.host.size() - 2);
  }
  const bool digits = url.port.find_first_not_of("0123456789") == url.port.npos;
  if (url.host.empty() || url.host.find_first_of("@[]") != url.host.npos || !digits || url.port.empty() ||
      url.port.size() > 5 || std::stoi(url.port) > 65535 || std::stoi(url.port) == 0)
    throw malformed();
  return url;
}

Url parse_url(const std::string& text) {
  constexpr std::string_view scheme = "http://";
  if (text.starts_with("https://"))
    throw config::UsageError("'" + text + "' asks for TLS, which this command does not speak", "URL",
                             "ask the server behind the proxy, or use curl " + text + std::string(resource));
  if (!text.starts_with(scheme) || !std::all_of(text.begin(), text.end(), is_visible) ||
      text.find_first_of("?#") != text.npos)
    throw config::UsageError("'" + text + "' is no URL of a server", "URL", "such as http://127.0.0.1:8000");
  const auto slash = std::min(text.find('/', scheme.size()), text.size());
  Url url = parse_authority(text.substr(scheme.size(), slash - scheme.size()), text);
  url.path = text.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();
  if (url.path.ends_with(resource)) return url;
  if (url.path.ends_with("/v1")) url.path.resize(url.path.size() - 3);
  url.path += resource;
  return url;
}

struct Answer {
  unsigned status = 0;
  std::string body;
};

net::awaitable<Answer> ask(Url url, std::string key) {
  const auto strand = co_await net::this_coro::executor;
  net::ip::tcp::resolver resolver(strand);
  const auto found = co_await resolver.async_resolve(url.host, url.port, net::use_awaitable);
  Socket socket(strand);
  co_await net::async_connect(socket, found, net::use_awaitable);
  http::request<http::empty_body> request(http::verb::get, url.path, 11);
  request.set(http::field::host, url.authority);
  request.set(http::field::connection, "close");
  if (!key.empty()) request.set(http::field::authorization, "Bearer " + key);
  co_await http::async_write(socket, request, net::use_awaitable);
  http::response_parser<http::string_body> parser;
  parser.body_limit(max_answer_bytes);
  boost::beast::flat_buffer buffer;
  // Boost 1.74 forgets the limit when it reads head and body in one go.
  co_await http::async_read_header(socket, buffer, parser, net::use_awaitable);
  co_await http::async_read(socket, buffer, parser, net::use_awaitable);
  co_return Answer{parser.get().result_int(), parser.get().body()};
}

// Throws Error when no whole HTTP answer comes in time.
Answer ask_within(const Url& url, const std::string& key, std::chrono::milliseconds timeout) {
  net::io_context io;
  std::optional<Answer> answer;
  std::string failure =
      "no answer in " + ordered_json(std::chrono::duration<double>(timeout).count()).dump() + " s";
  net::co_spawn(io, ask(url, key), [&](std::exception_ptr thrown, Answer come) {
    try {
      if (thrown) std::rethrow_exception(thrown);
      answer = std::move(come);
    } catch (const boost::system::system_error& error) {
      failure = error.code().message();
    }
  });
  io.run_for(timeout);
  if (!answer) throw Error(failure, url.authority, "does troupe serve listen there?");
  return std::move(*answer);
}

// What a terminal may be shown of a text from the network.
std::string one_line(std::string text) {
  constexpr std::size_t longest = 300;
  text.resize(std::min(text.size(), longest));
  for (char& c : text)
    if ((c >= 0 && c < ' ') || c == '\x7F') c = ' ';
  return text;
}

// OpenAI's error object's message, behind a colon.
std::string reason_of(const ordered_json& answer) {
  if (!answer.is_object() || !answer.contains("error") || !answer.at("error").is_object()) return "";
  const auto message = answer.at("error").find("message");
  const bool there = message != answer.at("error").end() && message->is_string();
  return there ? ": " + one_line(message->get<std::string>()) : "";
}

// Throws Error for an answer that is no replica's.
ordered_json parse_answer(const Answer& answer, const std::string& where) {
  ordered_json json = ordered_json::parse(answer.body, nullptr, false);
  if (answer.status != 200)
    throw Error("status " + std::to_string(answer.status) + reason_of(json), where,
                answer.status == 401 ? "give --api-key" : "is it a troupe server?");
  if (!json.is_object()) throw Error("the answer is no JSON object", where, "is it a troupe server?");
  return json;
}

std::string text_at(const ordered_json& object, const char* name) {
  return one_line(object.at(name).get<std::string>());
}

void print_ranks(std::ostream& out, const ordered_json& ranks) {
  constexpr int columns[]{4, 6, 9, 12, 10, 10};
  const auto row = [&](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) out << std::setw(columns[i]) << cells[i];
    out << "\n";
  };
  row({"RANK", "NODE", "PID", "STATE", "STEP", "RESTARTS"});
  for (const ordered_json& rank : ranks) {
    const auto number = [&](const char* name) { return std::to_string(rank.at(name).get<std::int64_t>()); };
    row({number("rank"), number("node"), number("pid"), text_at(rank, "state"), number("step"),
         number("restarts")});
  }
}

std::string in_ms(const ordered_json& milliseconds) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << milliseconds.get<double>() << " ms";
  return text.str();
}

void print_fault(std::ostream& out, const ordered_json& fault) {
  out << "last fault      ";
  if (fault.is_null()) {
    out << "none\n";
    return;
  }
  const auto known = [&](const char* name) { return fault.contains(name) && !fault.at(name).is_null(); };
  if (known("rank")) out << "rank " << fault.at("rank").get<std::int64_t>() << " ";
  out << text_at(fault, "kind") << " at step " << fault.at("step").get<std::int64_t>();
  if (known("layer")) out << ", layer " << fault.at("layer").get<std::int64_t>();
  if (known("collective")) out << ", in " << text_at(fault, "collective");
  out << "; detected after " << in_ms(fault.at("detected_ms")) << ", "
      << (known("recovered_ms") ? "recovered after " + in_ms(fault.at("recovered_ms"))
                                : std::string("not recovered yet"))
      << "\n";
}

std::string table_of(const ordered_json& replica) {
  std::ostringstream out;
  out << "epoch           " << replica.at("epoch").get<std::uint64_t>() << "\n"
      << "state           " << text_at(replica, "state") << "\n";
  print_fault(out, replica.value("last_fault", ordered_json()));
  out << "\n";
  print_ranks(out, replica.at("ranks"));
  return out.str();
}

}  // namespace

int status(const Arguments& arguments) {
  config::Settings settings;
  Options options;
  config::Table table = options_table(options);
  config::append(table, key_table(settings), "");
  if (!read_command_line(page, table, arguments)) return 0;
  const Url url = parse_url(options.url);
  const std::string key = settings.edge.api_keys.empty() ? "" : settings.edge.api_keys.front();
  if (!std::all_of(key.begin(), key.end(), is_visible))
    throw config::UsageError("a key has a space or a control character", "--api-key");
  const std::string where = url.authority + url.path;
  const Answer answer = ask_within(url, key, options.timeout);
  const ordered_json replica = parse_answer(answer, where);
  try {
    const bool serving = replica.at("state") == "serving";
    std::cout << (options.json ? answer.body + "\n" : table_of(replica));
    return serving ? 0 : 1;
  } catch (const ordered_json::exception&) {
    throw Error("the answer does not describe a replica", where, "is it a troupe server?");
  }
}

}  // namespace troupe::launch
