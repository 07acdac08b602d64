// From a request in the journal to the answer that it would have had. Any thread.
#pragma once

#include "actors/edge/begin_answer.hpp"
#include "actors/edge/callers/callers.hpp"
#include "actors/edge/retries/answer_store.hpp"

namespace troupe::actors::edge {

// What the journal has to know of a request whose answer begins. body: as the client sent it.
KeptRequest kept_request(const runtime::GenerationRequest& request, const ToldAnswer::Place& place,
                         const Endpoint& endpoint, const AnswerIdentity& identity, std::string body);

// Refused, where this server would not give the same bytes: another model, or one that reads the request otherwise, or
// another filter. filter: that answers to its caller go through; null: none.
Expected<std::shared_ptr<ToldAnswer>> restored_answer(KeptRequest kept, const ModelInfo& model,
                                                      const config::RequestLimits& limits,
                                                      std::shared_ptr<const runtime::OutputFilter> filter,
                                                      AnswerKeeper& keeper, net::any_io_executor executor);

// All that was found, into the store; what cannot be restored is dropped from the journal, with a line of the log.
void restore_answers(Journal& journal, AnswerStore& store, const ModelInfo& model,
                     const config::RequestLimits& limits, const Callers& callers,
                     const net::any_io_executor& executor);

}  // namespace troupe::actors::edge
