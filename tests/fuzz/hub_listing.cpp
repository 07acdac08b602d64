// What a hub tells of a model.
#include "launch/pull/file_name.hpp"
#include "launch/pull/listing.hpp"
#include "runtime/base/error.hpp"
#include "tests/fuzz/bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe::launch::pull;
  try {
    const Listing listing = parse_listing(std::string(troupe::fuzz::text_of(data, size)), "hub");
    for (const RemoteFile& each : listing.files)
      CHECK(fault_of_name(each.name).empty() && !each.hash().empty() && each.size <= largest_file);
  } catch (const troupe::Error&) {
  }
  return 0;
}
