#include <algorithm>
#include <cctype>
#include <concepts>

#include "config/settings.hpp"

namespace troupe::config {
namespace {

// Upper ends of ranges: beyond them a value is a slip of the keyboard.
constexpr std::int64_t largest = 1 << 30;
constexpr std::int64_t most_seconds = 24 * 60 * 60;
constexpr std::int64_t most_in_body = 1 << 24;
constexpr std::int64_t most_json_comparisons = std::int64_t(1) << 40;

Setting count(std::string_view name, std::integral auto* target, std::int64_t most, std::string_view help) {
  return {.name = name, .target = target, .argument = "N", .help = help, .range = {1, most}};
}
Setting size(std::string_view name, ByteSize* target, std::string_view help) {
  return {.name = name, .target = target, .argument = "SIZE", .help = help, .range = {1, largest}};
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
       .help =
           "All requests but those of probes must show it as a bearer token, and may then do anything. May be "
           "given several times: then any of them. Other users of the machine can read flags: prefer "
           "TROUPE_API_KEY or the settings file.",
       .unset = "no key is asked for",
       .secret = true},
      {.name = "api-keys",
       .target = &s.api_keys_file,
       .argument = "FILE",
       .help =
           "TOML file of callers, their keys and limits, which troupe keys edits; read again when it changes and on "
           "SIGHUP. All requests but those of probes must show one of the keys, of the right class.",
       .unset = "none"},
      {.name = "output-filters",
       .target = &s.output_filters_file,
       .argument = "FILE",
       .help =
           "TOML file of rules, by PCRE2, that end answers or mask parts of their text, for all callers or those whose keys "
           "name them; read again as --api-keys is. A batch, which has no callers, goes through those for all.",
       .unset = "none"},
      {.name = "region",
       .target = &s.region,
       .argument = "NAME",
       .help =
           "Where the server stands, such as eu-west-1: told in the header X-Region of every response, and a label of all "
           "metrics.",
       .unset = "none"},
      {.name = "root-path",
       .target = &s.root_path,
       .argument = "PATH",
       .help =
           "Where a proxy has put the server, such as /llm; taken away from paths that still begin with it, and told in "
           "/openapi.json.",
       .unset = "none"},
      count("io-threads", &s.io_threads, 256, "Threads that serve connections; no more than there are CPUs."),
      {.name = "enable-replica-control",
       .target = &s.replica_control,
       .help =
           "Let clients of the API break parts of the replica at POST /v1/replica/drill, to see it recover, "
           "place experts on ranks at POST /v1/replica/placement and change the policy at PUT /v1/scheduler. For "
           "operators and tests: whoever may ask for a completion may do this, too."},
  };
}

Table callers(SharedLimits& s) {
  constexpr std::int64_t most = std::int64_t(1) << 40;
  return {
      {.name = "max-tokens-per-minute",
       .target = &s.tokens_per_minute,
       .argument = "N",
       .help = "Of prompts and answers, of all callers together; past it requests get status 503.",
       .unset = "no limit",
       .range = {1, most}},
      {.name = "max-requests-per-ip",
       .target = &s.requests_per_address,
       .argument = "N",
       .help =
           "Of one address (of IPv6: one network of 64 bits) in a minute, those of probes not counted; past it "
           "requests get status 429.",
       .unset = "no limit",
       .range = {1, most}},
      {.name = "trusted-proxy",
       .target = &s.trusted_proxies,
       .argument = "ADDRESS",
       .help =
           "Address or network, such as 10.0.0.0/8, of a proxy whose X-Forwarded-For tells a client's address. May "
           "be given several times.",
       .unset = "whoever connects is the client"},
  };
}

Table tls(EdgeTlsSettings& s) {
  return {
      {.name = "ssl-certfile",
       .target = &s.certificate,
       .argument = "FILE",
       .help =
           "PEM file of the server's certificate and those that lead to its authority: clients must speak TLS, 1.2 or "
           "later. Read again on SIGHUP, as are the other two.",
       .unset = "HTTP in clear"},
      {.name = "ssl-keyfile",
       .target = &s.key,
       .argument = "FILE",
       .help = "PEM file of the certificate's key, without a password.",
       .unset = "in the file of the certificate"},
      {.name = "ssl-ca-certs",
       .target = &s.authorities,
       .argument = "FILE",
       .help =
           "PEM file of authorities: clients must show a certificate of one of them; see --ssl-cert-reqs.",
       .unset = "clients show none"},
      {.name = "ssl-cert-reqs",
       .target = &s.certificate_requirements,
       .argument = "N",
       .help =
           "0: clients are asked for no certificate; 1: one that they show must be right; 2: they must show one.",
       .unset = "2 where --ssl-ca-certs is given",
       .range = {0, 2}},
  };
}

Table capture(CaptureSettings& s) {
  return {
      {.name = "capture-folder",
       .target = &s.folder,
       .argument = "FOLDER",
       .help = "Lets PUT /v1/debug/capture have the text of one request written here, encrypted.",
       .unset = "no text is ever written"},
      {.name = "capture-certificate",
       .target = &s.certificate,
       .argument = "FILE",
       .help = "PEM file of the certificate of who may read captures: openssl cms -decrypt, with its key.",
       .unset = "none; --capture-folder needs it"},
  };
}

Table retries(RetrySettings& s) {
  return {
      {.name = "resume-window",
       .target = &s.resume_window,
       .argument = "SECONDS",
       .help =
           "For how long an answer goes on and is kept when its client has left, for GET /v1/streams/{id} with "
           "Last-Event-ID. 0: a client that leaves cancels.",
       .range = {0, most_seconds}},
      seconds("idempotency-ttl", &s.idempotency_ttl,
              "For how long, from its end, the answer to a request with an Idempotency-Key is given again."),
      size(
          "max-kept-answer-bytes", &s.kept_answers_size,
          "Of all answers that are kept, and of their requests in the journal; the oldest that have ended make room. "
          "Where those in progress take all of it, requests with an Idempotency-Key get status 503 and the others "
          "are not kept."),
  };
}

Table journal(JournalSettings& s) {
  return {
      {.name = "journal",
       .target = &s.folder,
       .argument = "FOLDER",
       .help =
           "Requests are kept here, readable for this user alone, until their answers are forgotten: after the death of "
           "this process the next one with the same folder goes on with them. Made where there is none.",
       .unset = "requests end with the process"},
      {.name = "journal-fsync",
       .target = &s.fsync,
       .argument = "WHEN",
       .help =
           "The death of the process costs the journal nothing. What a cut of the machine's power costs: always is "
           "nothing, since requests begin when the disk has them; interval is the last second; never is what the "
           "kernel had not written yet.",
       .choices = {"always", "interval", "never"}},
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
      {.name = "max-connections-per-address",
       .target = &l.connections_per_address,
       .argument = "N",
       .help =
           "Open at a time from one address, of IPv6 from one network of 64 bits; one more gets status 429. 0: as many as of "
           "all. Behind a proxy all come from its address.",
       .range = {0, 1 << 20}},
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
      seconds("shutdown-timeout", &l.shutdown_timeout,
              "For answers in progress when the server stops; then they are cut off."),
  };
}

Table request_limits(RequestLimits& l) {
  return {
      count("max-json-depth", &l.json_depth, 512, "Arrays and objects inside each other."),
      count("max-json-values", &l.json_values, most_in_body, "Values of a request's body."),
      count("max-json-keys", &l.json_keys, most_in_body, "Keys of one object."),
      count("max-json-comparisons", &l.json_comparisons, most_json_comparisons,
            "Of keys with those before them in their objects, which is how they are found."),
      count("max-messages", &l.messages, most_in_body, "Messages of a chat."),
      count("max-content-parts", &l.content_parts, most_in_body, "Parts of a message."),
      count("max-tool-calls", &l.tool_calls, most_in_body, "Tool calls of a message."),
      count("max-tools", &l.tools, most_in_body, "Tools of a chat."),
      count("max-n", &l.n, 4096, "The field n."),
      count("max-choices", &l.choices, 65536, "Prompts of a request times n."),
      count("max-stop-strings", &l.stop_strings, 4096, "Stop strings."),
      count("max-stop-string-bytes", &l.stop_string_bytes, 1 << 20, "Of one stop string."),
      count("max-stop-token-ids", &l.stop_token_ids, 65536, "Stop token ids."),
      count("max-logit-biases", &l.logit_biases, 65536, "Tokens whose logits a request changes."),
      count("max-allowed-token-ids", &l.allowed_token_ids, most_in_body,
            "Tokens that alone may come, of a request that names some."),
      count("max-logprobs", &l.logprobs, 20, "Alternatives that are reported for a token."),
      count("max-name-bytes", &l.name_bytes, 65536, "Of the name of a model, a function or a cache salt."),
  };
}

Table time_limits(EdgeSettings& s) {
  const auto time = [](std::string_view name, std::chrono::milliseconds* target, std::string_view help) {
    return Setting{
        .name = name, .target = target, .argument = "SECONDS", .help = help, .range = {0, most_seconds}};
  };
  return {
      time(
          "request-timeout", &s.times.request,
          "For a request to end, else it is cut off; its client may ask for less in the header x-request-timeout. "
          "One that could not begin in time, as fast as the queue drains, gets status 503 at once. 0: no limit."),
      time("queue-timeout", &s.times.queue,
           "For a request to begin to be computed, else status 503. 0: no limit."),
      time("ttft-timeout", &s.times.first_token,
           "For a request's first token, else status 503. 0: no limit."),
      {.name = "timeout-action",
       .target = &s.timeout_action,
       .argument = "WHAT",
       .help =
           "What a client gets when its request's time is up: error is status 408, or an error in its stream; "
           "partial is what there is by then, as if it had reached max_tokens.",
       .choices = {"error", "partial"}},
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

void validate_region(std::string_view region) {
  const auto permitted = [](unsigned char c) {
    return c < 128 && (std::isalnum(c) || c == '-' || c == '_' || c == '.');
  };
  if (region.size() > max_region_bytes || !std::ranges::all_of(region, permitted))
    throw UsageError("'" + std::string(region) + "' is no name of a region", "--region",
                     "give at most " + std::to_string(max_region_bytes) + " letters, digits, -, _ and .");
}

}  // namespace

Table schema(EdgeSettings& settings) {
  Table table;
  append(table, listening(settings), "LISTENING");
  append(table, callers(settings.shared_limits), "CALLERS");
  append(table, tls(settings.tls), "TLS");
  append(table, cors(settings.cors), "BROWSERS");
  append(table, connection_limits(settings.connection), "LIMITS OF CONNECTIONS");
  append(table, request_limits(settings.request), "LIMITS OF REQUESTS (beyond them: status 400)");
  append(table, time_limits(settings), "TIME LIMITS OF REQUESTS");
  append(table, answers(settings.request), "ANSWERS");
  append(table, retries(settings.retries), "RETRIES");
  append(table, journal(settings.journal), "RETRIES");
  append(table, capture(settings.capture), "CAPTURE");
  return table;
}

void validate(const EdgeSettings& s) {
  for (const std::string& key : s.api_keys)
    if (key.empty()) throw UsageError("a key is empty", "--api-key", "leave it out to ask for none");
  if (s.tls.certificate.empty() && !(s.tls.key.empty() && s.tls.authorities.empty()))
    throw UsageError("is missing", "--ssl-certfile", "give it, or neither --ssl-keyfile nor --ssl-ca-certs");
  if (s.tls.certificate_requirements.value_or(0) > 0 && s.tls.authorities.empty())
    throw UsageError("is missing", "--ssl-ca-certs", "give it, whose certificates --ssl-cert-reqs asks for");
  if (s.capture.folder.empty() != s.capture.certificate.empty())
    throw UsageError("--capture-folder and --capture-certificate need each other", "--capture-folder",
                     "give both, or neither");
  if (!s.capture.folder.empty() && !s.asks_for_keys())
    throw UsageError("whoever may ask for a completion could order captures", "--capture-folder",
                     "give --api-keys with a caller of class control");
  if (!s.journal.folder.empty() && s.retries.resume_window.count() == 0)
    throw UsageError("clients could not come back for what it saves", "--journal",
                     "give --resume-window SECONDS, too");
  validate_region(s.region);
  if (!s.root_path.empty() && (!s.root_path.starts_with('/') || s.root_path.ends_with('/')))
    throw UsageError("'" + s.root_path + "' is not a path such as /llm", "--root-path");
}

}  // namespace troupe::config
