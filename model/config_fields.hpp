// What the families' readers of config.json share. Each throws Error that names the field. Field names are upstream's.
#pragma once

#include <cstdint>
#include <string_view>

#include "model/config.hpp"
#include "model/json/fields.hpp"

namespace troupe::model {

// A field for which one value alone is supported; absent means that value.
void require_text(const JsonValue& field, std::string_view only);
void require_flag(const JsonValue& field, bool only);
void require_number(const JsonValue& field, int only);
// A field that repeats what others say.
void require_equal(const JsonValue& field, std::int64_t value);
// Of an object in which every field has its say in the arithmetic: what was not asked for is not known.
void refuse_others(JsonFields& fields);

// Vocabulary, widths, layers, positions, the norms' epsilon, special tokens, the activation.
void read_sizes(JsonFields& fields, ModelConfig& config);
// rope_scaling, or rope_parameters as transformers writes it since version 5.
void read_rope(JsonFields& fields, ModelConfig& config);
// What is said once more, in words of transformers or of the classes that it shares code with.
void read_repetitions(JsonFields& fields, const ModelConfig& config);

}  // namespace troupe::model
