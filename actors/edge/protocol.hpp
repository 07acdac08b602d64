// An HTTP API in the edge's terms: each protocol folder (openai/, anthropic/, ...) gives a table of endpoints, which
// routes.cpp joins. An endpoint shows a page, at once or once it has it, or parses a body into a generation and says how
// its deltas are told, or goes on with one that is kept. Any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "actors/edge/answer.hpp"
#include "actors/edge/departure.hpp"
#include "actors/edge/reply.hpp"
#include "actors/service.hpp"
#include "config/api_keys.hpp"
#include "config/edge_settings.hpp"

namespace troupe::actors::edge {

class AnswerStore;
class Captures;

// What an endpoint that generates nothing may look at.
struct PageRequest {
  std::string_view argument;  // what stands for {id} in its path, decoded
  std::string_view body;
  Service& service;
  const config::EdgeSettings& settings;
  const std::string& version;     // of the program
  const std::string& request_id;  // of the HTTP request
  Departure& departure;           // of the server
  Captures& captures;
  const AnswerStore& answers;              // that are kept
  bool to_browser = false;                 // who asks takes HTML, by name
  const config::Caller* caller = nullptr;  // whose key it came with; null: no key is asked for
  std::string caller_name() const { return caller ? caller->name : ""; }
};
using Page = Reply (*)(const PageRequest&);

// A page that takes long: answer is called once, here or later on any thread. What the request refers to stays until
// then. What is thrown is so before answer is given away.
using AwaitedPage = void (*)(PageRequest request, std::function<void(Reply)> answer);

// Reads a parsed body. Fields that are unknown are ignored, as servers of these APIs do; a known one that would change
// the answer and cannot be honoured is refused by its name. An unknown model is a 404.
using ParseRequest = Expected<ApiRequest> (*)(const Json& body, const ModelInfo& model,
                                              const config::RequestLimits& limits);

constexpr std::string_view read_only = "GET, HEAD, OPTIONS";
constexpr std::string_view post_only = "POST, OPTIONS";
constexpr std::string_view put_only = "PUT, OPTIONS";
constexpr std::string_view delete_only = "DELETE, OPTIONS";
constexpr std::string_view read_or_post = "GET, HEAD, POST, OPTIONS";

using config::KeyClass;

struct Endpoint {
  std::string_view path;  // its last part may be a name in braces, which stands for the rest
  std::string_view allow = read_only;
  KeyClass key =
      KeyClass::inference;  // where keys are set; none: a probe, which is logged for debugging alone
  bool watches = false;     // tells how the server is, and no more: served at --metrics-port, too
  // One of the four.
  Page page = nullptr;
  AwaitedPage awaited_page = nullptr;
  ParseRequest generation = nullptr;
  bool resumes = false;  // tells an answer that is kept, in the words of the endpoint that it was asked of
  // In the words of its protocol, which may name the request.
  Reply (*refusal)(const Refusal&, const std::string& request_id) = refusal_reply;
  // For its description.
  std::string_view about = {};                     // a sentence
  std::string_view example = {};                   // of a generation: a body with many of its fields
  std::string_view produces = "application/json";  // of a page
  int success = 200;                               // its status where all is well
  bool replica_control = false;                    // only with --enable-replica-control
};

}  // namespace troupe::actors::edge
