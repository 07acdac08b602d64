// One answer on its way to one client, streamed or whole: what the reader of an answer takes goes out over a connection. What
// the client has not taken yet is bounded: a plain answer is paced by it, and a slow client pauses its own generation and nobody
// else's. Lives in its session's coroutine, on the connection's strand.
#pragma once

#include <exception>
#include <memory>

#include "actors/edge/connection.hpp"
#include "actors/edge/response_head.hpp"
#include "actors/edge/retries/told_answer.hpp"

namespace troupe::actors::edge {

class Delivery {
 public:
  struct Outcome {
    int status = 0;  // that the client saw; 499 when it left before seeing one
    const char* end =
        "cancelled";  // "complete", "failed", "cancelled" or, where it goes on without this client, "detached":
                      // for the log
    bool connection_usable = false;  // for another request
    // What the encoder threw: nothing was sent, or the connection was aborted.
    std::exception_ptr broken{};
  };

  // For the first part of a stream, so that they go out together. A head that comes as soon as the request has is not always
  // understood: proxies written in Go (Traefik, Caddy) that have yet to note the end of the body they sent take it for an answer
  // that did not want the rest, and close the connection.
  static constexpr std::chrono::milliseconds head_waits{100};

  // All outlive this. fields: of the head, unless it is a refusal's.
  Delivery(Connection& connection, std::unique_ptr<AnswerReader> reader, const Exchange& exchange,
           HeaderFields fields, const config::ConnectionLimits& limits);
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  // Once. When the client goes away, its reader leaves at once.
  net::awaitable<Outcome> run();
  // On the connection's strand, because the server leaves. cut_off: the answer ends as after a failure. withdraw: it is
  // refused, if the generation has not begun and nothing is told of it.
  void cut_off();
  void withdraw(Refusal why);

 private:
  net::awaitable<void> deliver();                  // until the end, or until the client has gone
  net::awaitable<AnswerReader::News> next_news();  // nothing: the stream has been silent for long
  bool nothing_in(const AnswerReader::News& news) const;
  bool head_alone(const AnswerReader::News& news) const;
  net::awaitable<void> send_part(AnswerReader::News news);
  net::awaitable<void> send_reply(const Reply& reply, const char* end);

  Connection& connection_;
  const std::shared_ptr<Bell> bell_;
  std::unique_ptr<AnswerReader> reader_;  // null: it has left
  const Exchange& exchange_;
  const HeaderFields fields_;
  const config::ConnectionLimits& limits_;
  const bool stream_;  // the answer is told in parts
  Outcome outcome_;
};

}  // namespace troupe::actors::edge
