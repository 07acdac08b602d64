// A tiktoken.model and, behind the first null byte, its tokenizer_config.json; those that are taken take text apart, and put
// it together again.
#include "model/tokenizer/tokenizer.hpp"
#include "tests/fuzz/bytes.hpp"
#include "tests/temporary_folder.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using troupe::model::Tokenizer;
  static const troupe::TemporaryFolder folder;
  const std::string_view input = troupe::fuzz::text_of(data, size);
  const std::size_t ranks = std::min(input.find('\0'), size);
  folder.write("tiktoken.model", input.substr(0, ranks));
  folder.write("tokenizer_config.json", input.substr(std::min(ranks + 1, size)));
  try {
    const Tokenizer tokenizer = Tokenizer::load_of_folder(folder.path());
    if (const auto tokens = tokenizer.encode("Hello, wörld! 你好 [BOS] 17 * 23\n\n  x"))
      (void)tokenizer.decode(*tokens, true);
    for (int id = -1; id <= tokenizer.vocab_size(); ++id) (void)tokenizer.token_bytes(id);
  } catch (const troupe::Error&) {
  }
  return 0;
}
