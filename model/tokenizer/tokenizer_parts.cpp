#include "model/tokenizer/tokenizer_parts.hpp"

namespace troupe::model {

void name_tokens(TokenNames names, TokenSpelling spelling, TokenizerParts& parts) {
  for (const AddedToken& token : parts.added) names.add(token.content, token.id);
  parts.tokens.reserve(names.names.size());
  for (const std::string_view name : names.names) parts.tokens.push_back(bytes_of_name(spelling, name));
  if (spelling != TokenSpelling::byte_letters) parts.names.assign(names.names.begin(), names.names.end());
}

}  // namespace troupe::model
