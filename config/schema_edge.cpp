#include "config/settings.hpp"

namespace troupe::config {
namespace {

// Upper ends of ranges: beyond them a value is a slip of the keyboard.
constexpr std::int64_t most_bytes = 1 << 30;
constexpr std::int64_t most_seconds = 24 * 60 * 60;
constexpr std::int64_t most_items = 1 << 24;

Setting count(std::string_view name, std::int64_t* target, std::int64_t most, std::string_view help) {
  return {.name = name, .target = target, .argument = "N", .help = help, .range = {1, most}};
}
Setting size(std::string_view name, ByteSize* target, std::string_view help) {
  return {.name = name, .target = target, .argument = "SIZE", .help = help, .range = {1, most_bytes}};
}
Setting seconds(std::string_view name, Seconds* target, std::string_view help) {
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
       .help = "0 takes a free one, which the log tells.",
       .range = {0, 65535}},
      {.name = "api-key",
       .target = &s.api_key,
       .argument = "KEY",
       .help = "Requests to /v1 must show it as a bearer token. May be given several times: then any of "
               "them. Other users of the machine can "
               "read flags: "
               "prefer TROUPE_API_KEY or the settings file.",
       .unset = "no key is asked for",
       .secret = true},
      count("io-threads", &s.io_threads, 256, "Threads that serve connections."),
      {.name = "enable-replica-control",
       .target = &s.enable_replica_control,
       .help =
           "Let clients of the API break parts of the replica at POST /v1/replica/drill, to see it recover, "
           "and place experts on ranks at POST /v1/replica/placement. For operators and tests: whoever may "
           "ask for a completion may do this, too."},
  };
}

Table connection_limits(EdgeSettings& s) {
  return {
      count("max-connections", &s.max_connections, 1 << 20, "Open at a time; one more gets status 503."),
      size("max-header-bytes", &s.max_header_bytes, "Of a request; more get status 431."),
      count("max-headers", &s.max_headers, 10'000, "Header fields of a request; more get status 431."),
      size("max-body-bytes", &s.max_body_bytes, "Of a request; a larger one gets status 413."),
      size("max-read-ahead-bytes", &s.max_read_ahead_bytes,
           "Of requests that a client sends before their turn."),
      count("max-buffered-deltas", &s.max_buffered_deltas, 1 << 20,
            "Parts of an answer that wait for a slow reader before its sequence pauses."),
      seconds("header-timeout", &s.header_timeout, "For a request's headers to arrive, else status 408."),
      seconds("body-timeout", &s.body_timeout, "For a request's body to arrive, else status 408."),
      seconds("idle-timeout", &s.idle_timeout,
              "Of silence between requests, after which a connection is closed."),
      seconds("write-timeout", &s.write_timeout, "After which a client that reads nothing is given up."),
      seconds("linger-timeout", &s.linger_timeout, "For a refused client to read why."),
      seconds("stop-timeout", &s.stop_timeout, "For answers in progress when the server stops."),
  };
}

Table request_limits(EdgeSettings& s) {
  return {
      count("max-json-depth", &s.max_json_depth, 512, "Arrays and objects inside each other."),
      count("max-json-values", &s.max_json_values, most_items, "Values of a request's body."),
      count("max-json-keys", &s.max_json_keys, most_items, "Keys of one object."),
      count("max-messages", &s.max_messages, most_items, "Messages of a chat."),
      count("max-content-parts", &s.max_content_parts, most_items, "Parts of a message."),
      count("max-tool-calls", &s.max_tool_calls, most_items, "Tool calls of a message."),
      count("max-tools", &s.max_tools, most_items, "Tools of a chat."),
      count("max-n", &s.max_n, 4096, "The field n."),
      count("max-choices", &s.max_choices, 65536, "Prompts of a request times n."),
      count("max-stop-strings", &s.max_stop_strings, 4096, "Stop strings."),
      count("max-stop-string-bytes", &s.max_stop_string_bytes, 1 << 20, "Of one stop string."),
      count("max-stop-token-ids", &s.max_stop_token_ids, 65536, "Stop token ids."),
      count("max-logprobs", &s.max_logprobs, 20, "Alternatives that are reported for a token."),
      count("max-name-bytes", &s.max_name_bytes, 65536,
            "Of the name of a model, a function or a cache salt."),
  };
}

}  // namespace

Table schema(EdgeSettings& settings) {
  Table table;
  append(table, listening(settings), "LISTENING");
  append(table, connection_limits(settings), "LIMITS OF CONNECTIONS");
  append(table, request_limits(settings), "LIMITS OF REQUESTS (beyond them: status 400)");
  return table;
}

}  // namespace troupe::config
