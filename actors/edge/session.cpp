#include "actors/edge/session.hpp"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <iterator>
#include <mutex>

#include "actors/edge/retries/idempotency_key.hpp"
#include "actors/edge/status_pages.hpp"
#include "actors/edge/time_limits.hpp"
#include "actors/edge/traces/request_trace.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/random_id.hpp"

namespace troupe::actors::edge {
namespace {

// What OPTIONS * is asked of.
constexpr Endpoint whole_server{.path = "*", .allow = read_or_post, .key = KeyClass::none};

// A page's reply on its way from the thread that makes it, which may hold this for longer than the server lives:
// what belongs to the server's sockets goes when the reply is taken.
class AwaitedReply {
 public:
  explicit AwaitedReply(const net::any_io_executor& strand) : bell_(std::make_shared<Bell>(strand)) {}

  void arrive(Reply reply) {  // any thread
    const std::lock_guard lock(mutex_);
    reply_ = std::move(reply);
    net::post(bell_->strand(), [bell = bell_] { bell->ring(); });
  }
  net::awaitable<Reply> take() {  // once, on the strand
    const std::shared_ptr<Bell> bell = bell_;
    while (!arrived()) co_await bell->wait();
    bell_.reset();
    co_return std::move(*reply_);
  }

 private:
  bool arrived() {
    const std::lock_guard lock(mutex_);
    return reply_.has_value();
  }

  std::mutex mutex_;  // until the reply has arrived; after that it is the strand's alone
  std::shared_ptr<Bell> bell_;
  std::optional<Reply> reply_;
};

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

// As browsers say it; other clients take anything.
bool takes_html(const Connection::Request& request) {
  return view(request[http::field::accept]).find("text/html") != std::string_view::npos;
}

bool expects_continue(const Connection::Request& request) {
  return boost::beast::iequals(request[http::field::expect], "100-continue");
}

// Made outside of coroutines: GCC 12 cannot compile their initialisers inside.
Reply options_page(const Resource& resource, const Connection::Request& request,
                   const config::CorsSettings& cors) {
  Reply page{.status = 204,
             .headers = preflight_fields(cors, view(request[http::field::origin]),
                                         view(request[http::field::access_control_request_method]),
                                         view(request[http::field::access_control_request_headers]),
                                         resource.allow)};
  page.headers.emplace_back("Allow", resource.allow);
  return page;
}

ShownHeaders shown_headers(const Connection::Request& request) {
  ShownHeaders shown{view(request[http::field::authorization]), view(request["x-api-key"]), {}};
  const auto [first, last] = request.equal_range("X-Forwarded-For");
  for (auto line = first; line != last; ++line)
    shown.forwarded_for.append(shown.forwarded_for.empty() ? "" : ",").append(view(line->value()));
  return shown;
}

// Which one a body asks for.
std::string model_of(const Json& body, const ModelInfo& model) {
  const auto found = body.is_object() ? body.find("model") : body.end();
  return found != body.end() && found->is_string() ? found->get<std::string>() : model.names.front();
}

// Of an answer that a client may come back to.
HeaderFields fields_of(const ToldAnswer& answer, bool replayed) {
  HeaderFields fields;
  if (answer.kept()) fields.emplace_back("X-Stream-Id", answer.id());
  if (replayed) fields.emplace_back("Idempotent-Replayed", "true");
  return fields;
}

}  // namespace

Session::Session(Socket socket, TlsOfServer tls, const ServerParts& server, bool only_watching)
    : server_(server),
      settings_(server.settings),
      only_watching_(only_watching),
      connection_(std::make_shared<Connection>(std::move(socket), std::move(tls), settings_.connection)) {}

net::awaitable<void> Session::run() {
  idle_ = true;
  bool more = co_await connection_->handshake();
  while (more && !stopping_) more = co_await serve_one();
  idle_ = true;
  if (!stopping_) co_await connection_->linger();
}

net::awaitable<void> Session::run_refused(Refusal why) {
  const bool heard = co_await connection_->handshake();
  if (!heard) co_return;
  exchange_.request_id = random_id();
  exchange_.region = settings_.region;
  began_ = now();
  co_await refuse_and_close(std::move(why));
  co_await connection_->linger();
}

void Session::withdraw() {
  net::dispatch(connection_->strand(), [self = shared_from_this()] {
    if (self->delivery_) self->delivery_->withdraw(leaving());
  });
}

void Session::stop() {
  net::dispatch(connection_->strand(), [self = shared_from_this()] {
    self->stopping_ = true;
    if (self->idle_) self->connection_->abort();
  });
}

void Session::cut_off() {
  net::dispatch(connection_->strand(), [self = shared_from_this()] {
    if (self->delivery_) return self->delivery_->cut_off();
    self->connection_->abort();
  });
}

void Session::abort() {
  net::dispatch(connection_->strand(), [self = shared_from_this()] { self->connection_->abort(); });
}

net::awaitable<bool> Session::serve_one() {
  idle_ = true;
  const Expected<bool> head = co_await connection_->read_head();
  idle_ = false;
  if (head && !*head) co_return false;
  begin_exchange();
  if (!head) {
    if (head.error().kind == RefusalKind::too_large) (void)find_what_is_asked();  // such a head is whole
    co_await refuse_and_close(head.error());
    co_return false;
  }
  if (const auto ok = check_head(); !ok) {
    // A body that nobody wants is not read; then the connection cannot go on.
    exchange_.keep_alive = exchange_.keep_alive && !connection_->body_pending();
    Reply refused = in_its_words(ok.error());
    if (ok.error().kind == RefusalKind::method_not_allowed)
      refused.headers.emplace_back("Allow", resource_->allow);
    co_await reply(std::move(refused), "failed");
    trace_refusal();
    co_return exchange_.keep_alive;
  }
  const Expected<bool> body = co_await receive_body();
  if (!body) {
    co_await refuse_and_close(body.error());
    co_return false;
  }
  if (!*body) {
    note_gone();
    co_return false;
  }
  exchange_.keep_alive = connection_->keeps_alive() && !stopping_ && !server_.departure.begun();
  co_await answer();
  co_return exchange_.keep_alive && !connection_->gone();
}

void Session::begin_exchange() {
  const Connection::Request& request = connection_->request();
  const std::string_view id = view(request["X-Request-Id"]);
  exchange_ = {.request_id = usable_request_id(id) ? std::string(id) : random_id(),
               .version = request.version() == 10 ? 10u : 11u,
               .keep_alive = request.keep_alive() && !stopping_ && !server_.departure.begun(),
               .head_only = request.method() == http::verb::head,
               .cors = cors_fields(settings_.cors, view(request[http::field::origin])),
               .region = settings_.region};
  visit_ = server_.callers.visit(connection_->peer(), shown_headers(request));
  resource_.reset();
  generation_id_.clear();
  place_ = {};
  replayed_ = false;
  record_.reset();
  refusal_code_.clear();
  began_ = now();
  status_ = 0;
}

Expected<void> Session::check_head() {
  const Connection::Request& request = connection_->request();
  const auto headers = std::size_t(std::distance(request.begin(), request.end()));
  if (headers > settings_.connection.headers)
    return refuse(RefusalKind::headers_too_large, "The request has too many headers.", "",
                  "too_many_headers");
  if (request.has_content_length() && request.chunked())
    return refuse("Content-Length and Transfer-Encoding exclude each other.", "", "malformed_http");
  if (request.count(http::field::content_encoding) > 0 &&
      !boost::beast::iequals(request[http::field::content_encoding], "identity"))
    return refuse("The body must not be compressed.", "", "unsupported_content_encoding");
  if (const auto found = find_what_is_asked(); !found) return found;
  const Endpoint& endpoint = *resource_->endpoint;
  if (only_watching_ && !endpoint.watches) return refuse_route();
  if (!allows(endpoint, view(request.method_string())))
    return refuse(RefusalKind::method_not_allowed, "This method is not allowed here; see Allow.", "",
                  "method_not_allowed");
  if (request.method() == http::verb::options) return {};
  const auto admitted = server_.callers.admit(visit_, shown_headers(request), endpoint.key, now());
  if (admitted || admitted.error().kind != RefusalKind::unauthorized)
    exchange_.standing = [this] { return server_.callers.standing(visit_, now()); };
  if (!admitted) return admitted;
  return endpoint.generation ? accepts_inference(server_.ground.service, server_.departure)
                             : Expected<void>();
}

Expected<void> Session::find_what_is_asked() {
  const Connection::Request& request = connection_->request();
  if (request.method() == http::verb::options && request.target() == "*") {
    resource_ = Resource{&whole_server, {}, std::string(whole_server.allow)};
    return {};
  }
  return find_resource(view(request.method_string()), view(request.target()), settings_.replica_control,
                       settings_.root_path)
      .map([this](Resource&& found) { resource_ = std::move(found); });
}

net::awaitable<Expected<bool>> Session::receive_body() {
  if (!connection_->body_pending()) co_return true;
  if (expects_continue(connection_->request())) {
    const bool written = co_await connection_->write("HTTP/1.1 100 Continue\r\n\r\n");
    if (!written) co_return false;
  }
  co_return co_await connection_->read_body();
}

net::awaitable<void> Session::answer() {
  std::string failure;
  try {
    if (connection_->request().method() == http::verb::options)
      co_await reply(options_page(*resource_, connection_->request(), settings_.cors));
    else if (resource_->endpoint->generation)
      co_await answer_inference();
    else if (resource_->endpoint->resumes)
      co_await answer_resumed();
    else
      co_await answer_page();
  } catch (const std::exception& error) {
    failure = error.what();
  }
  delivery_.reset();
  if (!failure.empty()) {
    log_request_failure(exchange_.request_id, failure);
    if (!connection_->gone()) {
      co_await refuse_and_close(internal_failure());
    } else {  // it saw that its answer is not whole
      log_exchange("failed");
      trace_refusal();
    }
  }
  if (capture_) capture_->write(status_, !replayed_);
  capture_.reset();
}

net::awaitable<void> Session::answer_page() {
  const Endpoint& endpoint = *resource_->endpoint;
  const PageRequest request{resource_->argument,    connection_->request().body(),
                            server_.ground.service, settings_,
                            server_.version,        exchange_.request_id,
                            server_.departure,      server_.captures,
                            server_.ground.answers, takes_html(connection_->request()),
                            visit_.caller.get()};
  if (endpoint.page) {
    co_await reply(endpoint.page(request));
    co_return;
  }
  const auto awaited = std::make_shared<AwaitedReply>(connection_->strand());
  endpoint.awaited_page(request, [awaited](Reply made) { awaited->arrive(std::move(made)); });
  // Also when the client leaves: the request must stay.
  co_await reply(co_await awaited->take());
}

Expected<ApiRequest> Session::read_request() {
  const Connection::Request& message = connection_->request();
  const auto times = time_limits(settings_, view(message["x-request-timeout"]));
  if (!times) return tl::unexpected(times.error());
  // First: a server that refuses many has no time for what they ask.
  if (const auto ok = server_.ground.service.accepts(*times); !ok) return tl::unexpected(ok.error());
  auto request = parse_body(message.body(), settings_.request).and_then([&](const Json& body) {
    model_ = model_of(body, server_.ground.service.model());
    return resource_->endpoint->generation(body, server_.ground.service.model(), settings_.request);
  });
  if (request) request->generation.times = *times;
  return request;
}

net::awaitable<void> Session::answer_inference() {
  const Departure::Pass pass = server_.departure.admit();
  if (!pass) co_return co_await refuse_inference(leaving());
  auto reader = find_replay();
  if (!reader) co_return co_await refuse_inference(std::move(reader.error()));
  if (*reader) co_return co_await tell(std::move(*reader));
  begin_capture();
  auto request = read_request();
  if (!request) co_return co_await refuse_inference(std::move(request.error()));
  auto ticket = server_.callers.begin(visit_, model_, request->generation, now());
  if (!ticket)
    co_return co_await refuse_inference(in_own_names(request->own_names, std::move(ticket.error())));
  name_generation(*request);
  if (!capture_) begin_capture();
  BegunAnswer begun = begin_answer(*request, exchange_.request_id, server_.ground.service.model());
  generation_id_ = begun.identity.id;
  if (begun.whole) {
    co_await reply(json_reply(200, *begun.whole));
    co_return;
  }
  reader = begin(std::move(*request), std::move(begun), std::move(*ticket));
  if (!reader) co_return co_await refuse_inference(std::move(reader.error()));
  co_await tell(std::move(*reader));
}

net::awaitable<void> Session::answer_resumed() {
  const Departure::Pass pass = server_.departure.admit();
  if (!pass) co_return co_await refuse_inference(leaving());
  auto reader = server_.ground.answers.find_by_id(visit_.name(), resource_->argument);
  if (!reader) co_return co_await refuse_inference(std::move(reader.error()));
  if (const auto ok = resume(**reader); !ok) co_return co_await refuse_inference(ok.error());
  co_await tell(std::move(*reader));
}

Expected<void> Session::resume(AnswerReader& reader) const {
  const Connection::Request& request = connection_->request();
  return request.count("Last-Event-ID") == 0 ? Expected<void>()
                                             : reader.resume_after(view(request["Last-Event-ID"]));
}

Expected<std::unique_ptr<AnswerReader>> Session::find_replay() {
  const Connection::Request& request = connection_->request();
  auto key = read_idempotency_key(view(request["Idempotency-Key"]), request.count("Idempotency-Key"));
  if (!key) return tl::unexpected(key.error());
  if (key->empty()) return nullptr;
  place_.idempotency_key = std::move(*key);
  place_.digest = digest_of_request(resource_->endpoint->path, request.body());
  auto reader = server_.ground.answers.find_by_key(visit_.name(), place_.idempotency_key, place_.digest);
  replayed_ = reader && *reader;
  return reader;
}

// Answers that are kept are found by their ids, which clients may choose twice.
void Session::name_generation(ApiRequest& request) {
  if (!request.request_id.empty()) exchange_.request_id = request.request_id;
  if (server_.ground.answers.knows(request.id_prefix + exchange_.request_id))
    request.request_id = exchange_.request_id + "-" + random_id();
}

Expected<std::unique_ptr<AnswerReader>> Session::begin(ApiRequest request, BegunAnswer begun,
                                                       std::shared_ptr<Ledger::Ticket> ticket) {
  place_.caller = visit_.name();
  place_.request_id = exchange_.request_id;
  // The body may be large, while the answer may take long.
  auto reader = begin_told_answer(
      {*resource_->endpoint, std::move(request), std::move(begun), place_, connection_->take_body(),
       std::move(ticket), capture_, settings_.connection.buffered_deltas},
      server_.ground);
  replayed_ = reader && (*reader)->answer().id() != generation_id_;  // another came between
  if (reader && !replayed_) capture_.reset();                        // the answer has it
  return reader;
}

net::awaitable<void> Session::tell(std::unique_ptr<AnswerReader> reader) {
  const std::shared_ptr<ToldAnswer> answer = reader->shared_answer();
  const bool began = resource_->endpoint->generation && !replayed_;
  generation_id_ = answer->id();
  if (exchange_.version == 10 && answer->stream())
    exchange_.keep_alive = false;  // the close is the stream's end
  connection_->take_body();
  delivery_.emplace(*connection_, std::move(reader), exchange_, fields_of(*answer, replayed_),
                    settings_.connection);
  const Delivery::Outcome outcome = co_await delivery_->run();
  if (began) record_ = answer->record();
  status_ = outcome.status;
  exchange_.keep_alive = exchange_.keep_alive && outcome.connection_usable;
  if (outcome.broken) std::rethrow_exception(outcome.broken);
  if (began && answer->kept())
    leave_line_to(*answer);
  else
    log_exchange(outcome.end);
  trace_exchange(outcome.end, began ? answer->served() : std::vector<runtime::ChoiceTimes>());
}

// It may go on without its client, and is over only when it has its tokens.
void Session::leave_line_to(ToldAnswer& answer) const {
  AuditLine line = audit_line();
  if (connection_->gone()) line.detached = now();
  answer.owe(std::move(line));
}

net::awaitable<void> Session::refuse_inference(Refusal refusal) {
  co_await reply(in_its_words(refusal), "failed");
  trace_refusal();
}

void Session::begin_capture() {
  capture_ = server_.captures.begin(exchange_.request_id, now());
  if (capture_) capture_->asked(resource_->endpoint->path, visit_.name(), connection_->request().body());
}

net::awaitable<void> Session::reply(Reply whole, const char* end) {
  status_ = whole.status;
  const std::string bytes = whole_response(whole, exchange_);
  const bool written = co_await connection_->write(bytes);
  log_exchange(written ? end : "cancelled");
}

net::awaitable<void> Session::refuse_and_close(Refusal refusal) {
  exchange_.keep_alive = false;
  co_await reply(in_its_words(refusal), "failed");
  trace_refusal();
}

// Of the protocol that was spoken to, if that is known.
Reply Session::in_its_words(const Refusal& refusal) {
  refusal_code_ = failure_code(refusal);
  return resource_ ? resource_->endpoint->refusal(refusal, exchange_.request_id) : refusal_reply(refusal);
}

AuditLine Session::audit_line() const {
  return {.request_id = exchange_.request_id,
          .endpoint = resource_ ? resource_->endpoint : nullptr,
          .caller = visit_.name(),
          .generation = generation_id_,
          .began = began_,
          .status = status_,
          .failure = refusal_code_};
}

void Session::log_exchange(const char* end) const {
  audit_line().write(end, record_ ? &*record_ : nullptr);
}

void Session::note_gone() {
  status_ = http_status(RefusalKind::cancelled);
  log_exchange("cancelled");
  if (resource_->endpoint->generation) trace_exchange("cancelled");
}

// Of a request for a generation, if it was one: it may have been refused by its head alone.
void Session::trace_refusal() {
  if (resource_ && resource_->endpoint->generation) trace_exchange("failed");
}

// Of a request for a generation, once it is answered.
void Session::trace_exchange(const char* end, std::vector<runtime::ChoiceTimes> choices) {
  if (!server_.traces) return;
  const Connection::Request& request = connection_->request();
  RequestTrace trace{.context = begin_trace(view(request["traceparent"]), view(request["tracestate"])),
                     .method = std::string(view(request.method_string())),
                     .route = std::string(resource_->endpoint->path),
                     .model = server_.ground.service.model().names.front(),
                     .request_id = exchange_.request_id,
                     .generation_id = generation_id_,
                     .status = status_,
                     .end = end,
                     .began = began_,
                     .ended = now(),
                     .choices = std::move(choices)};
  if (trace.context.sampled)
    server_.traces->add(spans_of(trace, trace.ended, std::chrono::system_clock::now()));
}

}  // namespace troupe::actors::edge
