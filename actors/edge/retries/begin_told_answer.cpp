#include "actors/edge/retries/begin_told_answer.hpp"

#include <boost/asio/post.hpp>

#include "actors/edge/retries/restored_answer.hpp"
#include "runtime/generation/choices.hpp"

namespace troupe::actors::edge {
namespace {

// So that it is the same answer when it is computed again.
void draw_what_makes_its_bytes(runtime::GenerationRequest& request) {
  if (!request.seed) request.seed = runtime::draw_seed();
  request.nonce = runtime::draw_seed() | 1;
}

std::unique_ptr<AnswerReader> begin_plain(NewAnswer from, Service& service) {
  const auto answer =
      std::make_shared<ToldAnswer>(from.endpoint, std::move(from.request), std::move(from.begun.answer));
  auto reader = std::make_unique<AnswerReader>(answer);
  answer->start(service, std::move(from.ticket), from.capture, from.buffered_deltas);
  return reader;
}

// What is journaled begins once that is written, by a thread of the server's.
void start(std::shared_ptr<ToldAnswer> answer, std::shared_ptr<Ledger::Ticket> ticket,
           std::shared_ptr<Capture> capture, std::optional<KeptRequest> journaled,
           const AnswerGround& ground) {
  auto begin = [answer = std::move(answer), ticket = std::move(ticket), capture = std::move(capture),
                &service = ground.service] { answer->start(service, ticket, capture); };
  if (!journaled) return begin();
  ground.journal->begin(std::move(*journaled), [executor = ground.executor, begin = std::move(begin)] {
    net::post(executor, begin);
  });
}

Expected<std::unique_ptr<AnswerReader>> begin_kept(NewAnswer from, const AnswerGround& ground) {
  std::optional<KeptRequest> journaled;
  from.place.journaled = ground.journal != nullptr;
  if (ground.journal) {
    draw_what_makes_its_bytes(from.request.generation);
    from.place.body_bytes = from.body.size();
    journaled = kept_request(from.request.generation, from.place, from.endpoint, from.begun.identity,
                             std::move(from.body));
  }
  const auto answer =
      std::make_shared<ToldAnswer>(from.endpoint, std::move(from.request), std::move(from.begun.answer),
                                   std::move(from.place), ground.answers, ground.executor);
  auto reader = ground.answers.keep(answer);
  if (reader && &(*reader)->answer() == answer.get())
    start(answer, std::move(from.ticket), std::move(from.capture), std::move(journaled), ground);
  return reader;
}

}  // namespace

Expected<std::unique_ptr<AnswerReader>> begin_told_answer(NewAnswer answer, const AnswerGround& ground) {
  const bool has_key = !answer.place.idempotency_key.empty();
  const bool kept = (has_key || ground.answers.keeps_all()) && ground.answers.make_room();
  if (has_key && !kept) return tl::unexpected(no_room_for_answers());
  if (!kept) return begin_plain(std::move(answer), ground.service);
  return begin_kept(std::move(answer), ground);
}

}  // namespace troupe::actors::edge
