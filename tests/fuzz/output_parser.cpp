// What a model writes: thoughts, text and calls of tools, taken apart in pieces of any size. However it was cut, the sum is
// the same. The first bytes of the input say how it is cut.
#include <algorithm>

#include "model/output/output_parser.hpp"
#include "runtime/base/error.hpp"
#include "tests/fuzz/bytes.hpp"

namespace troupe::model {
namespace {

struct Sum {
  std::string content, reasoning;
  std::vector<std::string> calls;  // "id name arguments"
  bool operator==(const Sum&) const = default;

  void add(const ParsedOutput& parsed) {
    content += parsed.content;
    reasoning += parsed.reasoning;
    for (const ToolCallPiece& piece : parsed.tool_calls) {
      CHECK(piece.begins == (std::size_t(piece.index) == calls.size()), "calls come in order");
      if (piece.begins) calls.push_back(piece.id + " " + piece.name + " ");
      calls.at(std::size_t(piece.index)) += piece.arguments;
    }
  }
};

Sum parse(std::string_view text, std::size_t piece_bytes, const OutputFormat& format, bool cut_off) {
  OutputParser parser(format);
  Sum sum;
  for (; !text.empty(); text.remove_prefix(std::min(piece_bytes, text.size()))) {
    parser.push(text.substr(0, piece_bytes));
    sum.add(parser.take());
  }
  parser.finish(cut_off);
  sum.add(parser.take());
  return sum;
}

}  // namespace
}  // namespace troupe::model

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe::model;
  if (size < 2) return 0;
  const OutputFormat format{(data[0] & 1) != 0, (data[0] & 2) != 0, (data[0] & 4) != 0, (data[0] & 8) != 0,
                            ToolCallSyntax((data[0] >> 5) % 6)};
  const bool cut_off = (data[0] & 16) != 0;
  const std::string_view text = troupe::fuzz::text_of(data + 2, size - 2);
  const std::size_t piece = 1 + data[1] % 32;
  CHECK(parse(text, piece, format, cut_off) == parse(text, std::max<std::size_t>(1, size), format, cut_off),
        "pieces change nothing");
  return 0;
}
