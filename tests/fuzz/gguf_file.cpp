// The bytes of a GGUF file: what comes before those of its tensors, what config.json would say of its model, its tensors
// under their published names, and its vocabulary; one that is taken takes text apart, and puts it together again.
#include <sys/mman.h>
#include <unistd.h>

#include "model/gguf/gguf_config.hpp"
#include "model/gguf/gguf_tensors.hpp"
#include "model/gguf/gguf_vocabulary.hpp"
#include "model/tokenizer/tokenizer.hpp"
#include "runtime/base/error.hpp"
#include "tests/fuzz/bytes.hpp"

namespace troupe::model {
namespace {

// An Error is an answer, too.
void attempt(auto read) {
  try {
    read();
  } catch (const Error&) {
  }
}

void read_tensors(const std::vector<GgufFile>& files) {
  static volatile unsigned kept = 0;
  unsigned sum = 0;
  for (const auto& [name, located] : gguf_tensors(files))
    for (const std::byte each : located.stored.bytes) sum += unsigned(each);
  kept = sum;
}

void read_text(const GgufFile& file) {
  (void)gguf_templates(file);
  const Tokenizer tokenizer = Tokenizer::from(gguf_vocabulary(file));
  if (const auto tokens = tokenizer.encode("abba, wörld! 你好 <s> 17 * 23\n\n  x"))
    (void)tokenizer.decode(*tokens, true);
  for (int id = -1; id <= tokenizer.vocab_size(); ++id) (void)tokenizer.token_bytes(id);
}

}  // namespace
}  // namespace troupe::model

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe::model;
  const int file = ::memfd_create("model.gguf", 0);
  CHECK(file >= 0 && ::write(file, data, size) == ssize_t(size));
  attempt([&] {
    const auto files = open_gguf("/proc/self/fd/" + std::to_string(file));
    attempt([&] { (void)gguf_config(files); });
    attempt([&] { read_tensors(files); });
    attempt([&] { read_text(files.front()); });
  });
  ::close(file);
  return 0;
}
