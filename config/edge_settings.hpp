// What an operator may set about the HTTP edge: the bounds of its connections and requests have their
// names here. Plain values: read once at start-up, then seen by the edge's threads, unchanged.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/byte_size.hpp"
#include "runtime/base/time_limits.hpp"

namespace troupe::config {

// Of one connection. Past a size or a time the client gets the HTTP status named beside it.
struct ConnectionLimits {
  std::size_t connections = 1024;           // open at once; one more gets 503 and is closed
  std::size_t connections_per_address = 0;  // likewise from one address, with 429; 0: as many as of all
  ByteSize header_size{64 << 10};           // 431
  std::size_t headers = 100;                // 431
  ByteSize body_size{16 << 20};             // 413
  ByteSize read_ahead_size{64 << 10};       // of requests sent before their turn; then TCP holds the client
  std::int32_t buffered_deltas = 64;        // parts of an answer that may wait for a slow reader
  std::chrono::milliseconds header_timeout{10'000};    // 408; from a request's first byte
  std::chrono::milliseconds body_timeout{60'000};      // 408
  std::chrono::milliseconds idle_timeout{75'000};      // between requests; then the connection is closed
  std::chrono::milliseconds write_timeout{60'000};     // in which the client must take something
  std::chrono::milliseconds stream_silence{15'000};    // then a comment goes out, so that no proxy gives up
  std::chrono::milliseconds linger_timeout{2'000};     // for a refused client to read why before the close
  std::chrono::milliseconds shutdown_timeout{25'000};  // for answers in progress when the server stops
  friend bool operator==(const ConnectionLimits&, const ConnectionLimits&) = default;
};

// Of one request's JSON, past any of which it gets 400; and what answers tell unasked.
struct RequestLimits {
  std::size_t json_depth = 64;  // arrays and objects inside each other
  std::size_t json_values = 2'000'000;
  std::size_t json_keys = 2048;               // of one object; logit_bias may have many
  std::size_t json_comparisons = 20'000'000;  // of keys with those before them in their objects
  std::size_t messages = 4096;
  std::size_t content_parts = 1024;  // of one message
  std::size_t tool_calls = 128;      // of one message
  std::size_t tools = 128;
  std::int32_t n = 128;
  std::size_t choices = 1024;  // prompts times n
  std::size_t stop_strings = 16;
  std::size_t stop_string_bytes = 1024;
  std::size_t stop_token_ids = 128;  // and words that may not come
  std::size_t logit_biases = 1024;
  std::size_t allowed_token_ids = 131'072;  // as many as large vocabularies have
  std::int32_t logprobs = 20;               // alternatives a token
  std::size_t name_bytes = 256;             // of a model, a function, a salt
  bool always_usage = false;                // at a stream's end, of OpenAI's chats and completions
  bool tokens_as_ids =
      false;  // log-probabilities there are of "token_id:42", unless a request says otherwise
  friend bool operator==(const RequestLimits&, const RequestLimits&) = default;
};

// Of pages of other sites, in browsers; names and meanings are vLLM's. "*": any.
struct CorsSettings {
  std::vector<std::string> allowed_origins;  // "https://chat.example"; empty: none
  std::vector<std::string> allowed_methods{"*"}, allowed_headers{"*"};
  bool allow_credentials = false;  // the browser's cookies and TLS certificates
  friend bool operator==(const CorsSettings&, const CorsSettings&) = default;
};

// Of all callers together, and of who has no name; each caller's own limits are in the file of keys.
struct SharedLimits {
  std::optional<std::int64_t>
      tokens_per_minute{};  // of prompts and answers, of the whole server; past it 503
  std::optional<std::int64_t> requests_per_address{};  // a minute; past it 429
  // Addresses and networks ("10.0.0.0/8") whose word on whom they speak for is taken: X-Forwarded-For.
  std::vector<std::string> trusted_proxies{};
  friend bool operator==(const SharedLimits&, const SharedLimits&) = default;
};

// PEM files; names and meanings are vLLM's. Empty: none.
struct EdgeTlsSettings {
  std::string certificate, key;  // of the server, the chain behind its certificate included
  std::string authorities;       // whose certificates clients must show
  // Python's ssl.CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED: whether they are asked for one, and must show it. Unset: they must,
  // where there are authorities.
  std::optional<std::int32_t> certificate_requirements{};
  bool asks_for_certificates() const {
    return !authorities.empty() && certificate_requirements.value_or(2) >= 1;
  }
  bool demands_certificates() const {
    return !authorities.empty() && certificate_requirements.value_or(2) == 2;
  }
  friend bool operator==(const EdgeTlsSettings&, const EdgeTlsSettings&) = default;
};

// Requests whose text an operator wants to see: where it is kept, and who alone can read it. Empty: off.
struct CaptureSettings {
  std::string folder;
  std::string certificate;  // PEM file, of who reads
  friend bool operator==(const CaptureSettings&, const CaptureSettings&) = default;
};

// Requests on disk, so that they go on when the process has died. Empty: they are nowhere.
struct JournalSettings {
  std::string folder;
  std::string fsync = "interval";  // or always, or never: what a power cut may cost
  friend bool operator==(const JournalSettings&, const JournalSettings&) = default;
};

// For how long answers are kept for clients that come again, and how much of them.
struct RetrySettings {
  std::chrono::milliseconds resume_window{0};          // after the last reader has left; 0: it is cancelled
  std::chrono::milliseconds idempotency_ttl{600'000};  // of an answer under an Idempotency-Key, from its end
  ByteSize kept_answers_size{256 << 20};               // past it the oldest that have ended are forgotten
  friend bool operator==(const RetrySettings&, const RetrySettings&) = default;
};

constexpr std::size_t max_region_bytes = 64;

struct EdgeSettings {
  std::string host = "127.0.0.1";  // a name or an address, IPv4 or IPv6
  std::uint16_t port = 8000;       // 0: any free one
  std::uint16_t ollama_port = 0;   // a second one on the same host, where Ollama's clients look; 0: none
  std::uint16_t metrics_port =
      0;  // a port on the same host for what watches the server, and nothing else; 0: none
  bool also_vllm_names = false;      // of metrics
  std::string otlp_traces_endpoint;  // "http://HOST:4318/v1/traces"; empty: nothing is traced
  std::int32_t io_threads = 2;
  std::vector<std::string> api_keys;  // each opens everything
  std::string api_keys_file;          // of callers with names and limits, see api_keys.hpp; empty: none
  std::string output_filters_file;    // of rules for answers' text, see output_filters.hpp; empty: none
  SharedLimits shared_limits;
  EdgeTlsSettings tls;
  CaptureSettings capture;
  RetrySettings retries;
  JournalSettings journal;
  std::string region;            // where the server stands, for answers' heads and metrics; empty: nowhere
  std::string root_path;         // before every path, where a proxy does not take it away: "/llm"
  bool replica_control = false;  // operators may order drills, place experts and change the policy
  CorsSettings cors;
  ConnectionLimits connection;
  RequestLimits request;
  TimeLimits times;                      // of a request, but for what follows
  std::string timeout_action = "error";  // or partial: see TimeLimits
  bool asks_for_keys() const { return !api_keys.empty() || !api_keys_file.empty(); }
  friend bool operator==(const EdgeSettings&, const EdgeSettings&) = default;
};

}  // namespace troupe::config
