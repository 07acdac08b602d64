// Writes a GGUF file's vocabulary as Hugging Face's tokenizer.json. Pure; any thread.
#pragma once

#include <string>

#include "model/tokenizer/vocabulary.hpp"

namespace troupe::model {

// Tokenizer::parse reads from it what Tokenizer::from reads from the vocabulary, but that a byte without a token parts
// nothing there; a token before texts is left out where it is no control token. Throws Error that names `where` and the key
// at fault: as parts_of() does, for a vocabulary other than "gpt2", and for a token that is not UTF-8.
std::string tokenizer_json(const Vocabulary& vocabulary);

}  // namespace troupe::model
