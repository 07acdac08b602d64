#include "actors/edge/response_head.hpp"

#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/write.hpp>
#include <ctime>
#include <sstream>

namespace troupe::actors::edge {
namespace {

namespace http = boost::beast::http;

using Head = http::response<http::empty_body>;

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section 5.6.7).
std::string http_date(std::time_t time) {
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc)};
}

Head begin_head(int status, const Exchange& exchange) {
  Head head(http::int_to_status(unsigned(status)), exchange.version);
  head.set(http::field::date, http_date(std::time(nullptr)));
  head.set(http::field::server, "troupe");
  head.set("X-Request-Id", exchange.request_id);
  head.set("Request-Id", exchange.request_id);  // where Anthropic's clients look
  if (!exchange.region.empty()) head.set("X-Region", exchange.region);
  for (const auto& [name, value] : exchange.cors) head.set(name, value);
  if (exchange.standing)
    for (const auto& [name, value] : exchange.standing()) head.set(name, value);
  head.keep_alive(exchange.keep_alive);
  return head;
}

std::string bytes_of(const Head& head) {
  std::ostringstream out;
  out << head.base();
  return std::move(out).str();
}

bool chunked(const Exchange& exchange) {
  return exchange.version >= 11;
}

}  // namespace

std::string whole_response(const Reply& reply, const Exchange& exchange) {
  Head head = begin_head(reply.status, exchange);
  if (reply.status != 204) {
    head.set(http::field::content_type, reply.content_type);
    head.content_length(reply.body.size());
  }
  for (const auto& [name, value] : reply.headers) head.set(name, value);
  return exchange.head_only ? bytes_of(head) : bytes_of(head) + reply.body;
}

std::string stream_head(const Exchange& exchange, std::string_view type, const HeaderFields& fields) {
  Head head = begin_head(200, exchange);
  head.set(http::field::content_type, boost::beast::string_view(type.data(), type.size()));
  head.set(http::field::cache_control, "no-cache");
  head.set("X-Accel-Buffering", "no");  // nginx would hold the events back
  for (const auto& [name, value] : fields) head.set(name, value);
  if (chunked(exchange)) head.chunked(true);
  return bytes_of(head);
}

std::string frame_stream_bytes(const std::string& bytes, const Exchange& exchange) {
  CHECK(!bytes.empty(), "an empty chunk would end the body");
  if (!chunked(exchange)) return bytes;
  return boost::beast::buffers_to_string(http::make_chunk(boost::asio::buffer(bytes)));
}

std::string stream_tail(const Exchange& exchange) {
  return chunked(exchange) ? boost::beast::buffers_to_string(http::make_chunk_last()) : std::string();
}

}  // namespace troupe::actors::edge
