// The JSON header of a safetensors file, of the length that it says and with some bytes behind it; and the same bytes as a
// whole file.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "model/checkpoint/safetensors.hpp"
#include "runtime/base/error.hpp"
#include "tests/fuzz/bytes.hpp"

namespace troupe::model {
namespace {

constexpr std::size_t data_bytes = 64;

// Reads all that the header promises.
void open_file(const std::string& content) {
  const int file = ::memfd_create("model.safetensors", 0);
  CHECK(file >= 0 && ::write(file, content.data(), content.size()) == ssize_t(content.size()));
  try {
    const auto opened = SafetensorsFile::open("/proc/self/fd/" + std::to_string(file));
    unsigned sum = 0;
    for (const auto& [name, tensor] : opened.tensors())
      for (const std::byte each : tensor.bytes) sum += unsigned(each);
    static volatile unsigned kept = 0;
    kept = sum;
  } catch (const Error&) {
  }
  ::close(file);
}

}  // namespace
}  // namespace troupe::model

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::uint64_t length = size;
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  const std::string_view header = troupe::fuzz::text_of(data, size);
  troupe::model::open_file(file.append(header).append(troupe::model::data_bytes, 'x'));
  troupe::model::open_file(std::string(header));
  return 0;
}
