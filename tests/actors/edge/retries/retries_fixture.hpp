// A server that keeps answers, and clients that come again.
#pragma once

#include "tests/actors/edge/http_server_fixture.hpp"

namespace troupe::actors::edge {

constexpr const char* whole_completion = R"({"model": "demo", "prompt": "hi"})";
constexpr const char* streamed_completion = R"({"model": "demo", "prompt": "hi", "stream": true})";
constexpr const char* two_streamed_choices = R"({"model": "demo", "prompt": "hi", "n": 2, "stream": true})";
constexpr const char* seeded_chat_stream =
    R"({"model": "demo", "messages": [{"role": "user", "content": "hi"}], "stream": true, "seed": 7})";

// A stream's events, each with its id.
inline std::vector<std::string> split_events(const std::string& body) {
  std::vector<std::string> events;
  for (std::size_t at = 0; at < body.size();) {
    const auto end = body.find("\n\n", at);
    if (end == body.npos) throw std::runtime_error("a part of an event: " + body.substr(at));
    events.push_back(body.substr(at, end + 2 - at));
    at = end + 2;
  }
  return events;
}

// Of the last whole event.
inline std::string last_id(const std::string& bytes) {
  const auto end = bytes.rfind("\n\n"), at = bytes.rfind("id: ", end);
  if (at == bytes.npos) throw std::runtime_error("no event");
  return bytes.substr(at + 4, bytes.find('\n', at) - at - 4);
}

inline std::string without_id(const std::string& event) {
  return event.substr(event.find('\n') + 1);
}

struct RetriesFixture : HttpServerFixture {
  RetriesFixture() {
    settings.retries.resume_window = std::chrono::seconds(600);
    settings.connection.shutdown_timeout = std::chrono::milliseconds(50);
  }

  static std::string stream_request(const std::string& id, const std::string& last_event_id = "",
                                    const std::string& headers = "") {
    return "GET /v1/streams/" + id + " HTTP/1.1\r\nHost: t\r\n" +
           (last_event_id.empty() ? "" : "Last-Event-ID: " + last_event_id + "\r\n") + headers + "\r\n";
  }
  Response resume(const std::string& id, const std::string& last_event_id = "",
                  const std::string& headers = "") {
    Client client(port());
    client.send(stream_request(id, last_event_id, headers));
    return client.read_response();
  }
  // Sends a request; what it is answered is read later.
  std::unique_ptr<Client> send(std::string_view target, std::string_view body,
                               const std::string& headers = "") {
    auto client = std::make_unique<Client>(port());
    client->post(target, body, headers);
    return client;
  }
  Response send_keyed(const std::string& key, std::string_view body,
                      std::string_view target = "/v1/completions") {
    return send(target, body, "Idempotency-Key: " + key + "\r\n")->read_response();
  }
};

// What a model writes in two choices, or in one; choices interleave by turn.
inline void write(ScriptedGeneration& generation, std::int32_t choices = 1, bool in_turn = true) {
  constexpr int tokens = 4;
  generation.accept({.prompt_tokens = 3});
  const auto token = [&](std::int32_t choice, int i) {
    if (i < tokens) return generation.text(choice, std::string(1, char('a' + choice)) + std::to_string(i));
    generation.finish(choice);
  };
  if (in_turn)
    for (int i = 0; i <= tokens; ++i)
      for (std::int32_t choice = 0; choice < choices; ++choice) token(choice, i);
  else
    for (std::int32_t choice = choices - 1; choice >= 0; --choice)
      for (int i = 0; i <= tokens; ++i) token(choice, i);
  generation.end({.prompt_tokens = 3, .completion_tokens = 4 * choices});
}

}  // namespace troupe::actors::edge
