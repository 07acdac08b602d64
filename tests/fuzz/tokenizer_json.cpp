// A tokenizer.json of a strange checkpoint; one that is taken takes text apart, and puts it together again.
#include "model/tokenizer/tokenizer.hpp"
#include "tests/fuzz/bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using troupe::model::Tokenizer;
  try {
    const Tokenizer tokenizer = Tokenizer::parse(troupe::fuzz::text_of(data, size), "tokenizer.json");
    if (const auto tokens = tokenizer.encode("Hello, wörld! 你好 <s> 17 * 23\n\n  x"))
      (void)tokenizer.decode(*tokens, true);
    for (int id = -1; id <= tokenizer.vocab_size(); ++id) (void)tokenizer.token_bytes(id);
  } catch (const troupe::Error&) {
  }
  return 0;
}
