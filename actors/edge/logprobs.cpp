#include "actors/edge/logprobs.hpp"

#include "actors/edge/answer.hpp"

namespace troupe::actors::edge {
namespace {

Json logprob_object(const runtime::LogprobToken& token, bool as_id) {
  Json bytes = Json::array();
  for (const unsigned char byte : token.bytes) bytes.push_back(byte);
  return {{"token", token_name(token, as_id)},
          {"logprob", finite_logprob(token.logprob)},
          {"bytes", std::move(bytes)}};
}

}  // namespace

std::string token_name(const runtime::LogprobToken& token, bool as_id) {
  return as_id ? "token_id:" + std::to_string(token.token) : token_text(token.bytes);
}

Json logprob_entries(const std::vector<runtime::LogprobEntry>& entries, bool tokens_as_ids) {
  Json all = Json::array();
  for (const runtime::LogprobEntry& entry : entries) {
    all.push_back(logprob_object(entry.chosen, tokens_as_ids));
    Json& top = all.back()["top_logprobs"] = Json::array();
    for (const runtime::LogprobToken& each : entry.top) top.push_back(logprob_object(each, tokens_as_ids));
  }
  return all;
}

}  // namespace troupe::actors::edge
