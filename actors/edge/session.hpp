// One connection's requests, one after the other: checks, dispatch, answer, log line. Lives on its
// connection's strand; owned by its own coroutine and known to the server, which may stop it from any thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "actors/edge/connection.hpp"
#include "actors/edge/delivery.hpp"
#include "actors/edge/response_head.hpp"
#include "actors/edge/routes.hpp"
#include "actors/edge/traces/trace_exporter.hpp"
#include "actors/service.hpp"

namespace troupe::actors::edge {

class Session : public std::enable_shared_from_this<Session> {
 public:
  // settings, version (of the program) and service outlive this. only_watching: nothing else is served.
  // traces: outlives it, too; null: nothing is traced.
  Session(Socket socket, const config::EdgeSettings& settings, const std::string& version, Service& service,
          bool only_watching, TraceExporter* traces);

  net::awaitable<void> run();
  net::awaitable<void> run_refused();  // in place of run(): there are too many connections already

  // Any thread. stop: no request after the one in progress. cut_off: its answer ends now, with an error that
  // the client can read. abort: the connection closes now.
  void stop();
  void cut_off();
  void abort();

 private:
  net::awaitable<bool> serve_one();  // whether another request may follow
  void begin_exchange();
  Expected<void> check_head();
  net::awaitable<Expected<bool>> receive_body();
  net::awaitable<void> answer();
  net::awaitable<void> answer_page();
  net::awaitable<void> answer_inference();
  net::awaitable<void> reply(Reply whole);
  net::awaitable<void> refuse_and_close(Refusal refusal);
  Reply in_its_words(const Refusal& refusal) const;
  void log_exchange(const char* end) const;
  void trace_exchange(const char* end, std::vector<runtime::ChoiceTimes> choices = {});

  const config::EdgeSettings& settings_;
  const std::string& version_;
  Service& service_;
  const bool only_watching_;
  TraceExporter* const traces_;
  std::shared_ptr<Connection> connection_;
  bool idle_ = false;      // between requests
  bool stopping_ = false;  // set by stop()

  // Of the request in progress.
  Exchange exchange_;
  std::optional<Resource> resource_;
  std::string generation_id_;
  std::chrono::steady_clock::time_point began_;
  int status_ = 0;
  std::optional<Delivery> delivery_;  // while an answer is generated
};

}  // namespace troupe::actors::edge
