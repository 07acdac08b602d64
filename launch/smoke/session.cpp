#include "launch/smoke/session.hpp"

#include "launch/server_answer.hpp"
#include "launch/smoke/outcome.hpp"

namespace troupe::launch::smoke {
namespace {

using nlohmann::ordered_json;

constexpr int seed = 17;

// The body of a page of status 200. Throws Error.
std::string body_at(load::Asker& asker, const std::string& target) {
  load::Page page = asker.get(target);
  if (page.status == 200) return std::move(page.body);
  const auto told = ordered_json::parse(page.body, nullptr, false);
  const char* remedy = page.status == 401 || page.status == 403 ? "give --api-key, of a key that may" : "";
  throw Error("status " + std::to_string(page.status) + reason_of(told), target, remedy);
}

std::set<std::string> read_capabilities(const std::string& page) {
  const ordered_json object = ordered_json::parse(page, nullptr, false);
  std::set<std::string> names;
  for (const ordered_json& each : object.at("capabilities")) names.insert(each.get<std::string>());
  return names;
}

}  // namespace

std::string body_of(const ordered_json& request) {
  return request.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

const std::string& Session::model() {
  if (model_.empty()) model_ = first_model(body_at(asker_, "/v1/models"), "the server");
  return model_;
}

ordered_json Session::question() {
  return {{"model", model()},
          {"messages", {{{"role", "user"}, {"content", "Solve 17 * 23"}}}},
          {"temperature", 0.6},
          {"top_p", 0.95},
          {"max_tokens", most_answer_tokens},
          {"seed", seed}};
}

ordered_json Session::tool_question() {
  ordered_json request = question();
  request["messages"][0]["content"] = "What is the weather in Paris?";
  request["tools"] = ordered_json::parse(R"([{"type": "function", "function": {"name": "get_weather",
    "description": "Get the weather in a city", "parameters": {"type": "object",
    "properties": {"city": {"type": "string"}}, "required": ["city"]}}}])");
  request["tool_choice"] = {{"type", "function"}, {"function", {{"name", "get_weather"}}}};
  return request;
}

ChatAnswer Session::ask(const ordered_json& request) {
  const load::Page page = asker_.post(chat_target, body_of(request));
  if (page.status == 200) return read_answer(page.body);
  const auto told = ordered_json::parse(page.body, nullptr, false);
  throw Error("status " + std::to_string(page.status) + reason_of(told), chat_target,
              page.status == 401 ? "give --api-key" : "");
}

const ChatAnswer& Session::once(Asked& asked, const ordered_json& request) {
  if (!std::exchange(asked.done, true)) asked.answer = ask(request);
  if (!asked.answer) throw NothingToCheck("there is no answer", chat_target);
  return *asked.answer;
}

const ChatAnswer& Session::answer() {
  return once(answer_, question());
}

const ChatAnswer& Session::thoughtful() {
  ordered_json request = question();
  request["chat_template_kwargs"] = {{"thinking", true}, {"enable_thinking", true}};
  return once(thoughtful_, request);
}

const ChatAnswer& Session::tool_answer() {
  return once(tool_answer_, tool_question());
}

load::ScrapedMetrics Session::metrics() {
  return load::ScrapedMetrics(body_at(asker_, "/metrics"));
}

std::optional<bool> Session::capable(const std::string& of) {
  if (!capabilities_) {
    capabilities_.emplace();
    const load::Page page = asker_.post("/api/show", body_of({{"model", model()}}));
    try {
      if (page.status == 200) *capabilities_ = read_capabilities(page.body);
    } catch (const ordered_json::exception&) {  // a server that has something else there
    }
  }
  if (!*capabilities_) return std::nullopt;
  return (*capabilities_)->contains(of);
}

}  // namespace troupe::launch::smoke
