#include "model/text/token_ids.hpp"

namespace troupe::model {

std::vector<TokenId> read_token_ids(const JsonValue& field, std::int64_t vocab_size) {
  if (field.is_null()) return {};
  const auto id_of = [&](const JsonValue& id) { return TokenId(id.integer(0, vocab_size - 1)); };
  if (field.value().is_number()) return {id_of(field)};
  if (!field.value().is_array()) field.fail("must be a token id or a list of token ids");
  if (field.value().size() > max_token_id_list) {
    field.fail("lists more than max_token_id_list, " + std::to_string(max_token_id_list));
  }
  std::vector<TokenId> ids;
  for (const JsonValue& id : field.elements()) ids.push_back(id_of(id));
  return ids;
}

}  // namespace troupe::model
