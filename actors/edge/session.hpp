// One connection's requests, one after the other: checks, dispatch, answer, log line. Lives on its
// connection's strand; owned by its own coroutine and known to the server, which may stop it from any thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "actors/edge/audit_line.hpp"
#include "actors/edge/callers/callers.hpp"
#include "actors/edge/capture/captures.hpp"
#include "actors/edge/connection.hpp"
#include "actors/edge/delivery.hpp"
#include "actors/edge/departure.hpp"
#include "actors/edge/response_head.hpp"
#include "actors/edge/retries/begin_told_answer.hpp"
#include "actors/edge/routes.hpp"
#include "actors/edge/traces/trace_exporter.hpp"
#include "actors/service.hpp"

namespace troupe::actors::edge {

// What a server's sessions share.
struct ServerParts {
  const config::EdgeSettings& settings;
  const std::string& version;  // of the program
  Departure& departure;
  Callers& callers;
  Captures& captures;
  const AnswerGround& ground;
  TraceExporter* traces;  // null: nothing is traced
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  // server and what it names outlive this. tls: null: HTTP in clear. only_watching: nothing else is served.
  Session(Socket socket, TlsOfServer tls, const ServerParts& server, bool only_watching);

  net::awaitable<void> run();
  net::awaitable<void> run_refused(Refusal why);  // in place of run()

  // Any thread. withdraw: a generation that has not begun is refused, if nothing is told of it yet. stop: no request after
  // the one in progress. cut_off: its answer ends now, with an error that the client can read. abort: the connection closes
  // now.
  void withdraw();
  void stop();
  void cut_off();
  void abort();

 private:
  net::awaitable<bool> serve_one();  // whether another request may follow
  void begin_exchange();
  Expected<void> check_head();
  Expected<void> find_what_is_asked();  // 400 or 404
  net::awaitable<Expected<bool>> receive_body();
  net::awaitable<void> answer();
  net::awaitable<void> answer_page();
  Expected<ApiRequest> read_request();
  net::awaitable<void> answer_inference();
  net::awaitable<void> answer_resumed();
  Expected<void> resume(AnswerReader& reader) const;
  // The answer to a request that came before, where its Idempotency-Key is of one; else null.
  Expected<std::unique_ptr<AnswerReader>> find_replay();
  void name_generation(ApiRequest& request);
  Expected<std::unique_ptr<AnswerReader>> begin(ApiRequest request, BegunAnswer begun,
                                                std::shared_ptr<Ledger::Ticket> ticket);
  net::awaitable<void> tell(std::unique_ptr<AnswerReader> reader);
  void leave_line_to(ToldAnswer& answer) const;
  net::awaitable<void> refuse_inference(Refusal refusal);
  net::awaitable<void> reply(Reply whole, const char* end = "complete");
  net::awaitable<void> refuse_and_close(Refusal refusal);
  Reply in_its_words(const Refusal& refusal);
  AuditLine audit_line() const;
  void log_exchange(const char* end) const;
  void note_gone();      // the client, before it was answered
  void begin_capture();  // if it was ordered for this request's id
  void trace_refusal();
  void trace_exchange(const char* end, std::vector<runtime::ChoiceTimes> choices = {});

  const ServerParts& server_;
  const config::EdgeSettings& settings_;
  const bool only_watching_;
  std::shared_ptr<Connection> connection_;
  bool idle_ = false;      // between requests
  bool stopping_ = false;  // set by stop()

  // Of the request in progress.
  Exchange exchange_;
  Visit visit_;
  std::optional<Resource> resource_;
  std::string model_;  // of a generation: the name that was asked for
  std::string generation_id_;
  ToldAnswer::Place place_;  // of its answer, as far as it is known
  bool replayed_ = false;    // its answer is that of an earlier one
  std::optional<GenerationRecord> record_;
  std::string refusal_code_;          // of what it was refused with; may be empty
  std::shared_ptr<Capture> capture_;  // null: nobody reads this request, or its answer has it
  std::chrono::steady_clock::time_point began_;
  int status_ = 0;
  std::optional<Delivery> delivery_;  // while an answer is told
};

}  // namespace troupe::actors::edge
