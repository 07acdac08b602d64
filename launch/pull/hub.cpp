#include "launch/pull/hub.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "launch/pull/hitch.hpp"
#include "launch/server_answer.hpp"

namespace troupe::launch::pull {
namespace {

namespace http = boost::beast::http;

constexpr std::size_t taken_bytes = 1 << 18;
constexpr std::size_t max_reason_bytes = 4096;  // of an answer that refuses
constexpr std::int64_t longest_wait =
    999'999'999;  // seconds that are told apart: whoever asks for more asks for too much

bool is_redirect(unsigned status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool may_pass(unsigned status) {
  return status == 408 || status == 425 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

std::string text_of(const HttpClient::Fields& fields, std::string_view name) {
  const auto found = fields.find(boost::beast::string_view(name.data(), name.size()));
  return found == fields.end() ? std::string() : std::string(found->value().data(), found->value().size());
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() <= 9 && text.find_first_not_of("0123456789") == text.npos;
}

// Seconds, or a date.
std::optional<Duration> retry_after_of(const HttpClient::Fields& fields) {
  const std::string text = text_of(fields, "Retry-After");
  if (is_number(text)) return std::chrono::seconds(std::stoi(text));
  std::tm date{};
  const char* end = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (!end || *end != '\0') return std::nullopt;
  return std::chrono::seconds(std::clamp<std::int64_t>(timegm(&date) - std::time(nullptr), 0, longest_wait));
}

// Up to the end, or to so many bytes.
std::string body_of(HttpClient& client, std::size_t most) {
  std::string body;
  std::array<char, 16384> room;
  while (body.size() <= most) {
    const std::size_t count = client.read(room);
    if (count == 0) return body;
    body.append(room.data(), count);
  }
  client.leave();
  return body;
}

// What a server says of its refusal, behind a colon. Where that is cut off, the status still stands.
std::string reason_of_refusal(HttpClient& client, const HttpClient::Fields& fields) {
  std::string reason = text_of(fields, "X-Error-Message");
  if (reason.empty()) try {
      const auto json = nlohmann::json::parse(body_of(client, max_reason_bytes), nullptr, false);
      if (json.is_object() && json.contains("error") && json.at("error").is_string())
        reason = json.at("error").get<std::string>();
    } catch (const Hitch&) {
    }
  client.leave();
  return reason.empty() ? "" : ": " + one_line(reason);
}

std::string content_range(const Range& range) {
  return "bytes " + std::to_string(range.begin) + "-" + std::to_string(range.end - 1) + "/" +
         std::to_string(range.size);
}

}  // namespace

Hub::Hub(HubOptions options)
    : options_([&] {
        while (options.endpoint.target.ends_with('/')) options.endpoint.target.pop_back();
        return std::move(options);
      }()) {}

bool Hub::allows(const Url& url) const {
  if (url.origin() == options_.endpoint.origin()) return true;
  return std::ranges::any_of(options_.allowed_hosts, [&](const std::string& allowed) {
    if (!allowed.starts_with("*.")) return url.authority() == allowed;
    return url.authority().size() > allowed.size() - 1 && url.authority().ends_with(allowed.substr(1));
  });
}

Url Hub::redirected(const Url& from, const HttpClient::Head& head) const {
  const auto url = resolve(from, text_of(head.fields, "Location"));
  if (!url) throw Error("redirects to what is no URL", from.shown());
  if (from.secure && !url->secure)
    throw Error("redirects from https to http, where anybody could change the bytes", from.shown());
  if (!allows(*url))
    throw Error("redirects to another host, " + url->authority(), from.shown(),
                "if it is to be trusted, give --allow-host " + url->authority());
  return *url;
}

// Behind redirects, an answer of status 200 or 206.
Hub::Answer Hub::ask(HttpClient& client, const std::string& target, const HttpClient::Fields& fields) const {
  Answer answer{options_.endpoint, {}};
  answer.url.target += target;
  for (int redirects = 0;; ++redirects) {
    HttpClient::Fields sent = fields;
    sent.set(http::field::user_agent, options_.agent);
    sent.set(http::field::accept_encoding, "identity");
    const bool shows_token = !options_.token.empty() && answer.url.origin() == options_.endpoint.origin();
    if (shows_token) sent.set(http::field::authorization, "Bearer " + options_.token);
    answer.head = client.get(answer.url, sent);
    if (answer.head.status == 200 || answer.head.status == 206) break;
    if (!is_redirect(answer.head.status)) refuse(client, answer);
    if (redirects == most_redirects)
      throw Error("redirects more than " + std::to_string(most_redirects) + " times", answer.url.shown());
    client.leave();
    answer.url = redirected(answer.url, answer.head);
  }
  const std::string encoding = text_of(answer.head.fields, "Content-Encoding");
  if (!encoding.empty() && encoding != "identity")
    throw Error("the answer is encoded, which was not asked for", answer.url.shown());
  return answer;
}

void Hub::refuse(HttpClient& client, const Answer& answer) const {
  const unsigned status = answer.head.status;
  const std::string what = "status " + std::to_string(status) + reason_of_refusal(client, answer.head.fields);
  if (may_pass(status)) throw Hitch(what, answer.url.shown(), retry_after_of(answer.head.fields));
  std::string_view remedy;
  if (status == 401 || status == 403)
    remedy = options_.token.empty() ? "is the name right? models that are gated or private need HF_TOKEN"
                                    : "is the name right, and may HF_TOKEN read it?";
  if (status == 404) remedy = "are the names of the model and of the revision right?";
  throw Error(what, answer.url.shown(), remedy);
}

std::string Hub::page(HttpClient& client, const std::string& target) const {
  const Answer answer = ask(client, target, {});
  std::string body = body_of(client, max_page_bytes);
  if (body.size() > max_page_bytes)
    throw Error("the answer has more than " + std::to_string(max_page_bytes) + " bytes", answer.url.shown());
  return body;
}

void Hub::read(HttpClient& client, const std::string& target, const Range& range,
               const std::function<void(std::string_view bytes)>& take) const {
  CHECK(range.begin < range.end && range.end <= range.size);
  const bool whole = range.begin == 0 && range.end == range.size;
  HttpClient::Fields fields;
  if (!whole)
    fields.set(http::field::range,
               "bytes=" + std::to_string(range.begin) + "-" + std::to_string(range.end - 1));
  const Answer answer = ask(client, target, fields);
  const std::string of_whom = answer.url.shown();
  if (!whole && answer.head.status != 206) throw Error("the server sends no parts of files", of_whom);
  if (answer.head.status == 206 && text_of(answer.head.fields, "Content-Range") != content_range(range))
    throw Error("another part of the file came than was asked for, or the file has another size", of_whom);
  std::vector<char> room(taken_bytes);
  std::uint64_t left = range.end - range.begin;
  while (const std::size_t count = client.read(room)) {
    if (count > left) throw Error("more bytes came than the file has, or were asked for", of_whom);
    take({room.data(), count});
    left -= count;
  }
  if (left > 0) throw Hitch("the answer ended " + std::to_string(left) + " bytes early", of_whom);
}

}  // namespace troupe::launch::pull
