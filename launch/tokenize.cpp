#include <iostream>

#include "config/settings.hpp"
#include "launch/command_line.hpp"
#include "launch/demo_model.hpp"
#include "launch/json_lines.hpp"
#include "model/text/text_model.hpp"

namespace troupe::launch {
namespace {

using nlohmann::ordered_json;

constexpr config::Page page{
    .command = "tokenize",
    .summary = "turns JSON lines of text or token ids into both",
    .description =
        "Reads lines such as {\"text\": \"Hello\"} or {\"ids\": [1, 2]} from standard input and writes a "
        "line {\"ids\": [...], \"text\": \"...\"} for each. Added tokens such as end-of-sequence are "
        "recognised in text, and none is added. The text of the answer is what the ids decode to. A line "
        "that cannot be answered gives {\"error\": \"...\"}.",
    .examples = "$ echo '{\"text\": \"Solve 17 * 23\"}' | troupe tokenize"};

Expected<std::vector<TokenId>> read_ids(const ordered_json& list, const model::Tokenizer& tokenizer) {
  const auto wrong =
      refuse("ids must be an array of whole numbers from 0 to " + std::to_string(tokenizer.vocab_size() - 1));
  if (!list.is_array()) return wrong;
  std::vector<TokenId> ids;
  for (const ordered_json& each : list) {
    if (!each.is_number_unsigned() || each.get<std::uint64_t>() >= std::uint64_t(tokenizer.vocab_size()))
      return wrong;
    ids.push_back(each.get<TokenId>());
  }
  return ids;
}

Expected<std::vector<TokenId>> ids_of(const ordered_json& line, const model::Tokenizer& tokenizer) {
  const bool has_text = line.contains("text"), has_ids = line.contains("ids");
  if (has_text == has_ids) return refuse("a line must have either text or ids");
  if (has_ids) return read_ids(line["ids"], tokenizer);
  if (!line["text"].is_string()) return refuse("text must be a string");
  return tokenizer.encode(line["text"].get_ref<const std::string&>());
}

}  // namespace

int tokenize(const Arguments& arguments) {
  config::Settings settings;
  config::Table table = config::select(config::schema(settings), {"model"});
  if (!read_command_line(page, table, arguments)) return 0;
  const auto tokenizer = model::tokenizer_of(checkpoint_or_demo(settings.model));
  answer_json_lines(std::cin, std::cout, [&](const ordered_json& line) -> Expected<ordered_json> {
    const auto ids = ids_of(line, tokenizer);
    if (!ids) return tl::unexpected(ids.error());
    return ordered_json{{"ids", *ids}, {"text", tokenizer.decode(*ids)}};
  });
  return 0;
}

}  // namespace troupe::launch
