// One generation on its way to one client, streamed or whole, under credit: what the client has not taken yet
// is bounded, and a slow client pauses its own generation and nobody else's. Lives in its session's
// coroutine, on the connection's strand.
#pragma once

#include <memory>

#include "actors/edge/answer.hpp"
#include "actors/edge/callers/metered_sink.hpp"
#include "actors/edge/capture/captures.hpp"
#include "actors/edge/connection.hpp"
#include "actors/edge/delta_feed.hpp"
#include "actors/edge/protocol.hpp"
#include "actors/edge/response_head.hpp"

namespace troupe::actors::edge {

class Delivery {
 public:
  struct Outcome {
    int status = 0;                               // that the client saw; 499 when it left before seeing one
    const char* end = "cancelled";                // "complete", "failed" or "cancelled": for the log
    GenerationRecord record;                      // likewise
    bool connection_usable = false;               // for another request
    std::vector<runtime::ChoiceTimes> choices{};  // those that were served
  };

  // All outlive this.
  Delivery(Connection& connection, Service& service, const Exchange& exchange, const Endpoint& endpoint,
           const config::ConnectionLimits& limits);
  ~Delivery();
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  // Once. The client's going away cancels the generation at once. What the service throws comes out of it,
  // with nothing sent or with the connection aborted.
  // ticket: what pays for it. capture: who listens; may be null.
  net::awaitable<Outcome> run(ApiRequest request, std::unique_ptr<Answer> answer,
                              std::shared_ptr<Ledger::Ticket> ticket, std::shared_ptr<Capture> capture);
  // On the connection's strand, because the server leaves. cut_off: the answer ends as after a failure. withdraw: it is
  // refused, if the generation has not begun and nothing is told of it.
  void cut_off();
  void withdraw(Refusal why);

 private:
  void grant(std::size_t deltas);
  net::awaitable<void> deliver();               // until the end, or until the client has gone
  net::awaitable<DeltaFeed::News> next_news();  // empty: the stream has been silent for long
  net::awaitable<void> send_part(DeltaFeed::News news);
  net::awaitable<void> send_whole(DeltaFeed::News news);
  net::awaitable<void> send_reply(const Reply& reply, const char* end);
  net::awaitable<void> send(std::string bytes);

  Connection& connection_;
  Service& service_;
  const Exchange& exchange_;
  const Endpoint& endpoint_;
  const config::ConnectionLimits& limits_;
  std::shared_ptr<Bell> bell_;
  std::shared_ptr<DeltaFeed> feed_;
  std::shared_ptr<MeteredSink> meter_;  // before it

  std::vector<OwnName> own_names_;
  std::unique_ptr<Answer> answer_;
  bool stream_ = false;  // the answer is told in parts
  std::unique_ptr<GenerationHandle> generation_;
  Outcome outcome_;
};

}  // namespace troupe::actors::edge
