// Hugging Face tokenizers write their patterns for Oniguruma
// (Ruby's syntax); we run them on PCRE2. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace troupe::model {

// The PCRE2 pattern (for PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE) that matches what `pattern` matches in
// Oniguruma. Throws std::invalid_argument that names the construct when it means something else in PCRE2 and
// has no translation here.
std::string pcre2_from_oniguruma(std::string_view pattern);

}  // namespace troupe::model
