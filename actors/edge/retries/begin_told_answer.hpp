// How the answer to a new request begins: kept for clients that come again, or plain; and if it is kept, in the journal first. Any
// thread.
#pragma once

#include "actors/edge/begin_answer.hpp"
#include "actors/edge/retries/answer_store.hpp"

namespace troupe::actors::edge {

// What the answers of a server stand on.
struct AnswerGround {
  Service& service;
  AnswerStore& answers;
  Journal* journal;                      // null: requests end with the process
  const net::any_io_executor& executor;  // of the server's threads
};

struct NewAnswer {
  const Endpoint& endpoint;
  ApiRequest request;
  BegunAnswer begun;
  ToldAnswer::Place place;  // with its Idempotency-Key, if it has one
  std::string body;         // of the request, as the client sent it
  std::shared_ptr<Ledger::Ticket> ticket;
  std::shared_ptr<Capture> capture;  // null: nobody listens
  std::int32_t buffered_deltas;      // that a plain one's reader can take
};

// Its reader; of another answer, where one of its key came between. 503 for one with a key, where there is no room for it.
Expected<std::unique_ptr<AnswerReader>> begin_told_answer(NewAnswer answer, const AnswerGround& ground);

}  // namespace troupe::actors::edge
