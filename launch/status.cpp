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
#include "launch/asked_server.hpp"
#include "launch/server_answer.hpp"
#include "launch/server_key.hpp"
#include "launch/server_url.hpp"

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
  return {
      server_url_setting(o.url),
      {.name = "json", .target = &o.json, .help = "Print the answer as it came."},
      server_timeout_setting(o.timeout, "For the whole answer to arrive."),
  };
}

// Where the replica is described: behind where the API begins.
ServerUrl resource_url(const std::string& text) {
  ServerUrl url = parse_api_url(text, "or use curl " + text + std::string(resource));
  if (!url.path.ends_with(resource)) url.path += resource;
  return url;
}

struct Answer {
  unsigned status = 0;
  std::string body;
};

net::awaitable<Answer> ask(ServerUrl url, std::string key) {
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
Answer ask_within(const ServerUrl& url, const std::string& key, std::chrono::milliseconds timeout) {
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
  if (known("device"))
    out << ", " << text_at(fault.at("device"), "error") << " in one of "
        << text_at(fault.at("device"), "kernels");
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
  if (!read_with_key(page, options_table(options), settings, arguments)) return 0;
  const ServerUrl url = resource_url(options.url);
  const std::string key = server_key(settings);
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
