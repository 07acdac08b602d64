#include <concepts>

#include "config/settings.hpp"

namespace troupe::config {
namespace {

// Upper ends of ranges: beyond them a value is a slip of the keyboard.
constexpr std::int64_t most_bytes = 1 << 30;
constexpr std::int64_t most_seconds = 24 * 60 * 60;
constexpr std::int64_t most_items = 1 << 24;

Setting count(std::string_view name, std::integral auto* target, std::int64_t most, std::string_view help) {
  return {.name = name, .target = target, .argument = "N", .help = help, .range = {1, most}};
}
Setting size(std::string_view name, ByteSize* target, std::string_view help) {
  return {.name = name, .target = target, .argument = "SIZE", .help = help, .range = {1, most_bytes}};
}
Setting seconds(std::string_view name, std::chrono::milliseconds* target, std::string_view help) {
  return {
      .name = name, .target = target, .argument = "SECONDS", .help = help, .range = {0, most_seconds, true}};
}

Table listening(EdgeSettings& s) {
  return {
      {.name = "host",
       .target = &s.host,
       .argument = "ADDRESS",
       .help = "Name or address to listen on. 0.0.0.0 admits the network: set --api-key then."},
      {.name = "port",
       .target = &s.port,
       .argument = "PORT",
       .help = "0 takes a free one, which the log tells."},
      {.name = "ollama-port",
       .target = &s.ollama_port,
       .argument = "PORT",
       .help = "A second port, for clients of Ollama, which is at 11434.",
       .unset = "none"},
      {.name = "metrics-port",
       .target = &s.metrics_port,
       .argument = "PORT",
       .help =
           "A further port, where probes, /metrics and the status page are served and nothing else: for a network that "
           "may watch the server and not use it.",
       .unset = "none"},
      {.name = "also-vllm-names",
       .target = &s.also_vllm_names,
       .help =
           "Metrics that vLLM has, too, are shown under its names as well, as vllm:*, for dashboards that were made "
           "for it."},
      {.name = "otlp-traces-endpoint",
       .target = &s.otlp_traces_endpoint,
       .argument = "URL",
       .help =
           "Collector of OpenTelemetry, such as http://127.0.0.1:4318/v1/traces, that is sent the spans of each request as JSON: "
           "the whole, queue, prefill, decode, and what was computed again after a fault; never its text. A request that comes "
           "with traceparent belongs to its caller's trace.",
       .unset = "nothing is traced"},
      {.name = "api-key",
       .target = &s.api_keys,
       .argument = "KEY",
       .help = "Requests to /v1 must show it as a bearer token. May be given several times: then any of "
               "them. Other users of the machine can read flags: prefer TROUPE_API_KEY or the settings file.",
       .unset = "no key is asked for",
       .secret = true},
      count("io-threads", &s.io_threads, 256, "Threads that serve connections."),
      {.name = "enable-replica-control",
       .target = &s.replica_control,
       .help =
           "Let clients of the API break parts of the replica at POST /v1/replica/drill, to see it recover, "
           "place experts on ranks at POST /v1/replica/placement and change the policy at PUT /v1/scheduler. For "
           "operators and tests: whoever may ask for a completion may do this, too."},
  };
}

Table cors(CorsSettings& s) {
  return {
      {.name = "allowed-origins",
       .target = &s.allowed_origins,
       .argument = "ORIGIN",
       .help =
           "Origin, such as https://chat.example, whose pages browsers let read answers; * for any. May be given "
           "several times, or, as all of these, as a JSON array.",
       .unset = "none but the server's own"},
      {.name = "allowed-methods",
       .target = &s.allowed_methods,
       .argument = "METHOD",
       .help = "Method that those pages may use; * for all that a resource has."},
      {.name = "allowed-headers",
       .target = &s.allowed_headers,
       .argument = "NAME",
       .help = "Header that those pages may send; * for any."},
      {.name = "allow-credentials",
       .target = &s.allow_credentials,
       .help =
           "Let browsers send their cookies and certificates along. An API key in the Authorization header "
           "needs no such leave."},
  };
}

Table connection_limits(ConnectionLimits& l) {
  return {
      count("max-connections", &l.connections, 1 << 20, "Open at a time; one more gets status 503."),
      size("max-header-bytes", &l.header_size, "Of a request; more get status 431."),
      count("max-headers", &l.headers, 10'000, "Header fields of a request; more get status 431."),
      size("max-body-bytes", &l.body_size, "Of a request; a larger one gets status 413."),
      size("max-read-ahead-bytes", &l.read_ahead_size, "Of requests that a client sends before their turn."),
      count("max-buffered-deltas", &l.buffered_deltas, 1 << 20,
            "Parts of an answer that wait for a slow reader before its sequence pauses."),
      seconds("header-timeout", &l.header_timeout, "For a request's headers to arrive, else status 408."),
      seconds("body-timeout", &l.body_timeout, "For a request's body to arrive, else status 408."),
      seconds("idle-timeout", &l.idle_timeout,
              "Of silence between requests, after which a connection is closed."),
      seconds("write-timeout", &l.write_timeout, "After which a client that reads nothing is given up."),
      seconds("stream-silence", &l.stream_silence, "After which a stream without news gets a comment."),
      seconds("linger-timeout", &l.linger_timeout, "For a refused client to read why."),
      seconds("stop-timeout", &l.stop_timeout, "For answers in progress when the server stops."),
  };
}

Table request_limits(RequestLimits& l) {
  return {
      count("max-json-depth", &l.json_depth, 512, "Arrays and objects inside each other."),
      count("max-json-values", &l.json_values, most_items, "Values of a request's body."),
      count("max-json-keys", &l.json_keys, most_items, "Keys of one object."),
      count("max-messages", &l.messages, most_items, "Messages of a chat."),
      count("max-content-parts", &l.content_parts, most_items, "Parts of a message."),
      count("max-tool-calls", &l.tool_calls, most_items, "Tool calls of a message."),
      count("max-tools", &l.tools, most_items, "Tools of a chat."),
      count("max-n", &l.n, 4096, "The field n."),
      count("max-choices", &l.choices, 65536, "Prompts of a request times n."),
      count("max-stop-strings", &l.stop_strings, 4096, "Stop strings."),
      count("max-stop-string-bytes", &l.stop_string_bytes, 1 << 20, "Of one stop string."),
      count("max-stop-token-ids", &l.stop_token_ids, 65536, "Stop token ids."),
      count("max-logit-biases", &l.logit_biases, 65536, "Tokens whose logits a request changes."),
      count("max-logprobs", &l.logprobs, 20, "Alternatives that are reported for a token."),
      count("max-name-bytes", &l.name_bytes, 65536, "Of the name of a model, a function or a cache salt."),
  };
}

Table answers(RequestLimits& l) {
  return {
      {.name = "enable-force-include-usage",
       .target = &l.always_usage,
       .help =
           "Streams of chats and completions end with their usage, whether or not stream_options asks for it."},
      {.name = "return-tokens-as-token-ids",
       .target = &l.tokens_as_ids,
       .help =
           "Log-probabilities name tokens by their ids, as token_id:42, where a request does not say otherwise "
           "in return_tokens_as_token_ids."},
  };
}

}  // namespace

Table schema(EdgeSettings& settings) {
  Table table;
  append(table, listening(settings), "LISTENING");
  append(table, cors(settings.cors), "BROWSERS");
  append(table, connection_limits(settings.connection), "LIMITS OF CONNECTIONS");
  append(table, request_limits(settings.request), "LIMITS OF REQUESTS (beyond them: status 400)");
  append(table, answers(settings.request), "ANSWERS");
  return table;
}

}  // namespace troupe::config
