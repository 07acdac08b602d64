#include "actors/edge/retries/restored_answer.hpp"

#include "actors/edge/reply.hpp"
#include "actors/edge/retries/idempotency_key.hpp"
#include "actors/edge/routes.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors::edge {
namespace {

Expected<const Endpoint*> endpoint_of(const KeptRequest& kept) {
  const auto found = find_resource("POST", kept.path);
  if (!found) return tl::unexpected(found.error());
  if (!found->endpoint->generation) return refuse_route();
  return found->endpoint;
}

void complete(const KeptRequest& kept, ApiRequest& request) {
  runtime::GenerationRequest& generation = request.generation;
  generation.seed = kept.seed;
  generation.nonce = kept.nonce;
  generation.times = kept.times;
  generation.caller = kept.caller;
  generation.cache_salt = kept.cache_salt;
  generation.priority = kept.priority;
  generation.most_tokens = kept.most_tokens;
  request.request_id = kept.id.substr(std::min(kept.id.size(), request.id_prefix.size()));
}

// The process that it came to is gone, and has written none.
AuditLine line_of(const KeptRequest& kept) {
  const auto endpoint = endpoint_of(kept);
  return {.request_id = kept.request_id,
          .endpoint = endpoint ? *endpoint : nullptr,
          .caller = kept.caller,
          .generation = kept.id,
          .began = now(),
          .status = http_status(RefusalKind::cancelled),
          .restored = true};
}

void write_gone(AuditLine line) {
  line.status = http_status(RefusalKind::gone);
  line.failure = stream_gone_code;
  line.write("failed");
}

}  // namespace

KeptRequest kept_request(const runtime::GenerationRequest& request, const ToldAnswer::Place& place,
                         const Endpoint& endpoint, const AnswerIdentity& identity, std::string body) {
  return {.id = identity.id,
          .request_id = place.request_id,
          .path = std::string(endpoint.path),
          .body = std::move(body),
          .caller = place.caller,
          .cache_salt = request.cache_salt,
          .idempotency_key = place.idempotency_key,
          .fingerprint = identity.fingerprint,
          .seed = request.seed.value(),
          .nonce = request.nonce,
          .created = identity.created,
          .times = request.times,
          .priority = request.priority,
          .most_tokens = request.most_tokens,
          .filter_digest = digest_of(request.filter.get())};
}

Expected<std::shared_ptr<ToldAnswer>> restored_answer(KeptRequest kept, const ModelInfo& model,
                                                      const config::RequestLimits& limits,
                                                      std::shared_ptr<const runtime::OutputFilter> filter,
                                                      AnswerKeeper& keeper, net::any_io_executor executor) {
  if (kept.fingerprint != model.fingerprint) return refuse("The model computes other answers now.");
  if (kept.filter_digest != digest_of(filter.get()))
    return refuse("Its answer would be filtered otherwise now.");
  const auto endpoint = endpoint_of(kept);
  if (!endpoint) return tl::unexpected(endpoint.error());
  auto request = parse_body(kept.body, limits).and_then([&](const Json& body) {
    return (*endpoint)->generation(body, model, limits);
  });
  if (!request) return tl::unexpected(request.error());
  complete(kept, *request);
  request->generation.filter = std::move(filter);
  BegunAnswer begun = begin_answer(*request, kept.request_id, model, kept.created);
  if (begun.whole) return refuse("Nothing is to be generated.");
  const std::string digest = kept.idempotency_key.empty() ? "" : digest_of_request(kept.path, kept.body);
  return std::make_shared<ToldAnswer>(**endpoint, std::move(*request), std::move(begun.answer),
                                      ToldAnswer::Place{.caller = std::move(kept.caller),
                                                        .idempotency_key = std::move(kept.idempotency_key),
                                                        .digest = digest,
                                                        .request_id = std::move(kept.request_id),
                                                        .journaled = true,
                                                        .body_bytes = kept.body.size(),
                                                        .waits = true},
                                      keeper, std::move(executor));
}

void restore_answers(Journal& journal, AnswerStore& store, const ModelInfo& model,
                     const config::RequestLimits& limits, const Callers& callers,
                     const net::any_io_executor& executor) {
  std::size_t unfinished = 0, finished = 0, lost = 0;
  journal.each_found([&](Journal::Found each) {
    AuditLine line = line_of(each.request);
    const std::string id = each.request.id, caller = each.request.caller,
                      request_id = each.request.request_id;
    auto answer = store.make_room() ? restored_answer(std::move(each.request), model, limits,
                                                      callers.filter_of(caller), store, executor)
                                    : tl::unexpected(no_room_for_answers());
    if (answer) {
      if (!each.finished) (*answer)->owe(std::move(line));
      store.restore(std::move(*answer), !each.finished);
      ++(each.finished ? finished : unfinished);
      return;
    }
    ++lost;
    log_event(LogLevel::warning, "stream_not_restored",
              {{"request_id", request_id}, {"generation", id}, {"error", answer.error().message}});
    if (!each.finished) write_gone(std::move(line));
    store.cannot_restore(caller, id);
    journal.dropped(id);
  });
  log_event(LogLevel::info, "journal_read",
            {{"unfinished", unfinished}, {"finished", finished}, {"lost", lost}});
}

}  // namespace troupe::actors::edge
