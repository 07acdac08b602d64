// What a quoted string of a template stands for. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace troupe::model::jinja {

// written: valid UTF-8 between the quotes. Escapes are Python's; nullopt for a broken one, for a surrogate
// and for \N{...}, which would need the names of all characters.
std::optional<std::string> string_literal(std::string_view written);

}  // namespace troupe::model::jinja
