#include "actors/edge/session.hpp"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <iterator>
#include <mutex>

#include "actors/edge/api_key.hpp"
#include "actors/edge/begin_answer.hpp"
#include "actors/edge/status_pages.hpp"
#include "actors/edge/traces/request_trace.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/random_id.hpp"

namespace troupe::actors::edge {
namespace {

// What OPTIONS * is asked of.
constexpr Endpoint whole_server{.path = "*", .allow = read_or_post, .needs_key = false};

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
Refusal too_many_connections() {
  return {RefusalKind::unavailable, "The server has too many connections.", "", "too_many_connections"};
}
Refusal internal_failure() {
  return {RefusalKind::internal, "The server failed; its log says why.", "", "internal_error"};
}
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

void log_failure(const std::string& request_id, const std::string& failure) {
  log_event(LogLevel::error, "http_request_failed", {{"request_id", request_id}, {"error", failure}});
}

}  // namespace

Session::Session(Socket socket, const config::EdgeSettings& settings, const std::string& version,
                 Service& service, bool only_watching, TraceExporter* traces)
    : settings_(settings),
      version_(version),
      service_(service),
      only_watching_(only_watching),
      traces_(traces),
      connection_(std::make_shared<Connection>(std::move(socket), settings.connection)) {}

net::awaitable<void> Session::run() {
  bool more = true;
  while (more && !stopping_) more = co_await serve_one();
  idle_ = true;
  if (!stopping_) co_await connection_->linger();
}

net::awaitable<void> Session::run_refused() {
  exchange_ = {.request_id = random_id()};
  began_ = now();
  co_await reply(refusal_reply(too_many_connections()));
  co_await connection_->linger();
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
    co_await refuse_and_close(head.error());
    co_return false;
  }
  if (const auto ok = check_head(); !ok) {
    // A body that nobody wants is not read; then the connection cannot go on.
    exchange_.keep_alive = exchange_.keep_alive && !connection_->body_pending();
    Reply refused = in_its_words(ok.error());
    if (ok.error().kind == RefusalKind::method_not_allowed)
      refused.headers.emplace_back("Allow", resource_->allow);
    co_await reply(std::move(refused));
    co_return exchange_.keep_alive;
  }
  const Expected<bool> body = co_await receive_body();
  if (!body) {
    co_await refuse_and_close(body.error());
    co_return false;
  }
  if (!*body) co_return false;
  exchange_.keep_alive = connection_->keeps_alive() && !stopping_;
  co_await answer();
  co_return exchange_.keep_alive && !connection_->gone();
}

void Session::begin_exchange() {
  const Connection::Request& request = connection_->request();
  const std::string_view id = view(request["X-Request-Id"]);
  exchange_ = {.request_id = usable_request_id(id) ? std::string(id) : random_id(),
               .version = request.version() == 10 ? 10u : 11u,
               .keep_alive = request.keep_alive() && !stopping_,
               .head_only = request.method() == http::verb::head,
               .cors = cors_fields(settings_.cors, view(request[http::field::origin]))};
  resource_.reset();
  generation_id_.clear();
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
  if (request.method() == http::verb::options && request.target() == "*")
    resource_ = Resource{&whole_server, {}, std::string(whole_server.allow)};
  else if (auto found = find_resource(view(request.method_string()), view(request.target()),
                                      settings_.replica_control);
           found)
    resource_ = std::move(*found);
  else
    return tl::unexpected(found.error());
  const Endpoint& endpoint = *resource_->endpoint;
  if (only_watching_ && !endpoint.watches) return refuse_route();
  if (!allows(endpoint, view(request.method_string())))
    return refuse(RefusalKind::method_not_allowed, "This method is not allowed here; see Allow.", "",
                  "method_not_allowed");
  if (request.method() == http::verb::options) return {};
  if (endpoint.needs_key)
    if (const auto ok = check_api_key(view(request[http::field::authorization]), view(request["x-api-key"]),
                                      settings_.api_keys);
        !ok)
      return ok;
  return endpoint.generation ? accepts_inference(service_) : Expected<void>();
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
    else
      co_await answer_page();
  } catch (const std::exception& error) {
    failure = error.what();
  }
  delivery_.reset();
  if (failure.empty()) co_return;
  log_failure(exchange_.request_id, failure);
  if (!connection_->gone()) co_await refuse_and_close(internal_failure());
}

net::awaitable<void> Session::answer_page() {
  const Endpoint& endpoint = *resource_->endpoint;
  const PageRequest request{
      resource_->argument,  connection_->request().body(),     service_, settings_, version_,
      exchange_.request_id, takes_html(connection_->request())};
  if (endpoint.page) {
    co_await reply(endpoint.page(request));
    co_return;
  }
  const auto awaited = std::make_shared<AwaitedReply>(connection_->strand());
  endpoint.awaited_page(request, [awaited](Reply made) { awaited->arrive(std::move(made)); });
  // Also when the client leaves: the request must stay.
  co_await reply(co_await awaited->take());
}

net::awaitable<void> Session::answer_inference() {
  const Endpoint& endpoint = *resource_->endpoint;
  auto request = parse_body(connection_->request().body(), settings_.request).and_then([&](const Json& body) {
    return endpoint.generation(body, service_.model(), settings_.request);
  });
  if (!request) {
    co_await reply(in_its_words(request.error()));
    trace_exchange("failed");
    co_return;
  }
  if (!request->request_id.empty()) exchange_.request_id = request->request_id;
  BegunAnswer begun = begin_answer(*request, exchange_.request_id, service_.model());
  generation_id_ = request->generation.id;
  if (begun.whole) {
    co_await reply(json_reply(200, *begun.whole));
    co_return;
  }
  if (exchange_.version == 10 && request->stream)
    exchange_.keep_alive = false;  // the close is the stream's end
  delivery_.emplace(*connection_, service_, exchange_, endpoint, settings_.connection);
  Delivery::Outcome outcome = co_await delivery_->run(std::move(*request), std::move(begun.answer));
  status_ = outcome.status;
  exchange_.keep_alive = exchange_.keep_alive && outcome.connection_usable;
  log_exchange(outcome.end);
  trace_exchange(outcome.end, std::move(outcome.choices));
}

net::awaitable<void> Session::reply(Reply whole) {
  status_ = whole.status;
  const std::string bytes = whole_response(whole, exchange_);
  const bool written = co_await connection_->write(bytes);
  log_exchange(written ? "complete" : "cancelled");
}

net::awaitable<void> Session::refuse_and_close(Refusal refusal) {
  exchange_.keep_alive = false;
  co_await reply(in_its_words(refusal));
}

// Of the protocol that was spoken to, if that is known.
Reply Session::in_its_words(const Refusal& refusal) const {
  return resource_ ? resource_->endpoint->refusal(refusal, exchange_.request_id) : refusal_reply(refusal);
}

void Session::log_exchange(const char* end) const {
  const bool probe = resource_ && !resource_->endpoint->needs_key;
  nlohmann::json line = {{"request_id", exchange_.request_id},
                         {"route", resource_ ? resource_->endpoint->path : "unknown"},
                         {"status", status_},
                         {"end", end},
                         {"ms", milliseconds(now() - began_)}};
  if (!generation_id_.empty()) line["generation"] = generation_id_;
  log_event(probe ? LogLevel::debug : LogLevel::info, "http_request", line);
}

// Of a request for a generation, once it is answered.
void Session::trace_exchange(const char* end, std::vector<runtime::ChoiceTimes> choices) {
  if (!traces_) return;
  const Connection::Request& request = connection_->request();
  RequestTrace trace{.context = begin_trace(view(request["traceparent"]), view(request["tracestate"])),
                     .method = std::string(view(request.method_string())),
                     .route = std::string(resource_->endpoint->path),
                     .model = service_.model().names.front(),
                     .request_id = exchange_.request_id,
                     .generation_id = generation_id_,
                     .status = status_,
                     .end = end,
                     .began = began_,
                     .ended = now(),
                     .choices = std::move(choices)};
  if (trace.context.sampled) traces_->add(spans_of(trace, trace.ended, std::chrono::system_clock::now()));
}

}  // namespace troupe::actors::edge
