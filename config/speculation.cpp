#include "config/speculation.hpp"

#include <nlohmann/json.hpp>

#include "config/setting.hpp"

namespace troupe::config {
namespace {

constexpr std::string_view flag = "--speculative-config";
constexpr std::string_view remedy = R"(for example {"method": "mtp", "num_speculative_tokens": 1})";

[[noreturn]] void wrong(const std::string& what) {
  throw UsageError(what, flag, remedy);
}

// vLLM's form, as far as Troupe knows it.
void read(const std::string& text, Speculation& out) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) wrong("'" + text + "' is no JSON object");
  for (const auto& [key, value] : json.items()) {
    if (key == "method") {
      if (value == "mtp" || value == "deepseek_mtp")
        out.method = DraftMethod::mtp;
      else if (value == "ngram")
        out.method = DraftMethod::ngram;
      else
        wrong("method " + value.dump() + " is not known; permitted: \"mtp\", \"ngram\"");
    } else if (key == "num_speculative_tokens") {
      if (!value.is_number_integer() || value < 1 || value > most_speculative_tokens)
        wrong("num_speculative_tokens must be a whole number from 1 to " +
              std::to_string(most_speculative_tokens));
      out.tokens = value;
    } else {
      wrong("'" + key + "' is not known; permitted: method, num_speculative_tokens");
    }
  }
  if (out.method == DraftMethod::none) wrong("a method is missing");
}

}  // namespace

Speculation speculation_of(const Settings& settings) {
  Speculation speculation;
  if (!settings.speculative_config.empty()) read(settings.speculative_config, speculation);
  if (settings.num_speculative_tokens) speculation.tokens = *settings.num_speculative_tokens;
  if (speculation.tokens == 0 && speculation.method != DraftMethod::none)
    wrong("num_speculative_tokens is missing");
  if (speculation.tokens > 0 && speculation.method == DraftMethod::none)
    speculation.method = DraftMethod::mtp;
  speculation.adapts = settings.speculative_auto;
  if (speculation.adapts && speculation.method == DraftMethod::none)
    throw UsageError("there is no speculation to adapt", "--speculative-auto",
                     "give --num-speculative-tokens or --speculative-config, too");
  return speculation;
}

}  // namespace troupe::config
