// A MANIFEST.sha256; what is read is written and read again.
#include "launch/pull/manifest.hpp"
#include "launch/pull/file_name.hpp"
#include "runtime/base/error.hpp"
#include "tests/fuzz/bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe::launch::pull;
  try {
    const Manifest manifest = parse_manifest(std::string(troupe::fuzz::text_of(data, size)), "manifest");
    for (const auto& [name, hash] : manifest.sha256) CHECK(fault_of_name(name).empty() && hash.size() == 64);
    CHECK(parse_manifest(text_of(manifest), "again").sha256 == manifest.sha256);
  } catch (const troupe::Error&) {
  }
  return 0;
}
