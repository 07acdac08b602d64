#include "model/families/grouped_config.hpp"

namespace troupe::model {

void read_grouped_attention(JsonFields& fields, ModelConfig& config, GroupedAttentionConfig grouped) {
  const std::int64_t heads = config.num_attention_heads;
  grouped.num_key_value_heads =
      fields["num_key_value_heads"].optional_integer(1, limits::heads).value_or(heads);
  if (heads % grouped.num_key_value_heads != 0)
    fields["num_key_value_heads"].fail("must divide num_attention_heads, " + std::to_string(heads));
  const JsonValue head_dim = fields["head_dim"];
  if (head_dim.is_null() && config.hidden_size % heads != 0)
    head_dim.fail("is missing, and num_attention_heads does not divide hidden_size");
  grouped.head_dim = head_dim.optional_integer(2, limits::rotary_dim).value_or(config.hidden_size / heads);
  if (grouped.head_dim % 2 != 0 || grouped.head_dim > limits::rotary_dim)
    head_dim.fail("must be even and at most " + std::to_string(limits::rotary_dim) + "; it is " +
                  std::to_string(grouped.head_dim));
  config.attention = grouped;
}

}  // namespace troupe::model
