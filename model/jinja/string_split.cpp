#include "model/jinja/string_split.hpp"

#include <algorithm>

#include "model/jinja/arguments.hpp"
#include "model/jinja/strings.hpp"

namespace troupe::model::jinja {
namespace {

using Pieces = std::vector<ByteRange>;

// At runs of white space, none at the ends but where the limit leaves a rest. limit < 0: everywhere.
Pieces split_blanks(std::string_view bytes, Int limit) {
  Pieces pieces;
  for (std::size_t at = 0; at < bytes.size();) {
    if (is_space(decode(bytes, at).value)) {
      at += decode(bytes, at).size;
      continue;
    }
    std::size_t end = at;
    while (end < bytes.size() && !is_space(decode(bytes, end).value)) end += decode(bytes, end).size;
    if (limit >= 0 && Int(pieces.size()) == limit) {
      end = bytes.size();
    }
    pieces.push_back({at, end});
    at = end;
    if (limit >= 0 && Int(pieces.size()) > limit) break;
  }
  return pieces;
}

Pieces rsplit_blanks(std::string_view bytes, Int limit) {
  Pieces pieces;
  for (std::size_t end = bytes.size(); end > 0;) {
    if (is_space(decode_before(bytes, end).value)) {
      end -= decode_before(bytes, end).size;
      continue;
    }
    std::size_t at = end;
    while (at > 0 && !is_space(decode_before(bytes, at).value)) at -= decode_before(bytes, at).size;
    if (limit >= 0 && Int(pieces.size()) == limit) {
      at = 0;
    }
    pieces.push_back({at, end});
    end = at;
    if (limit >= 0 && Int(pieces.size()) > limit) break;
  }
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

Pieces split_at(Render& render, std::string_view bytes, std::string_view separator, Int limit) {
  Pieces pieces;
  std::size_t begin = 0;
  for (std::size_t at; limit != 0 && (at = find(bytes, separator, begin)) != bytes.npos; limit -= limit > 0) {
    render.charge(1);
    pieces.push_back({begin, at});
    begin = at + separator.size();
  }
  pieces.push_back({begin, bytes.size()});
  return pieces;
}

Pieces rsplit_at(Render& render, std::string_view bytes, std::string_view separator, Int limit) {
  Pieces pieces;
  std::size_t end = bytes.size();
  for (std::size_t at; limit != 0 && (at = find_last(render, bytes, separator, end)) != bytes.npos;
       limit -= limit > 0) {
    pieces.push_back({at + separator.size(), end});
    end = at;
  }
  pieces.push_back({0, end});
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

Value as_list(Render& render, const Text& text, const Pieces& pieces) {
  Values parts;
  for (const ByteRange& piece : pieces) parts.push_back(render.text(text.slice(piece.begin, piece.end)));
  return render.list(std::move(parts));
}

Value split_either(Render& render, const Value& self, const Arguments& arguments, bool from_right) {
  const Parameters given(from_right ? "rsplit" : "split", arguments, {"sep", "maxsplit"});
  const Text& text = *self.text();
  const Text* separator = given.text(0);
  const Int limit = given.integer(1, -1);
  render.charge_text(text.bytes.size());
  if (!separator)
    return as_list(render, text, (from_right ? rsplit_blanks : split_blanks)(text.bytes, limit));
  if (separator->bytes.empty()) throw Failure("splits at an empty separator");
  return as_list(render, text,
                 (from_right ? rsplit_at : split_at)(render, text.bytes, separator->bytes, limit));
}

Value partition_either(Render& render, const Value& self, const Arguments& arguments, bool from_right) {
  const Parameters given("partition", arguments, {"sep"}, 1);
  const Text& text = *self.text();
  const Text& separator = given.required_text(0);
  if (separator.bytes.empty()) throw Failure("splits at an empty separator");
  const std::size_t size = text.bytes.size();
  const std::size_t at =
      from_right ? find_last(render, text.bytes, separator.bytes, size) : find(text.bytes, separator.bytes);
  std::size_t begin = at, end = at + separator.bytes.size();
  if (at == std::string::npos) begin = end = from_right ? 0 : size;
  return render.tuple({render.text(text.slice(0, begin)), render.text(text.slice(begin, end)),
                       render.text(text.slice(end, size))});
}

}  // namespace

Value split(Render& render, const Value& self, const Arguments& arguments) {
  return split_either(render, self, arguments, false);
}

Value rsplit(Render& render, const Value& self, const Arguments& arguments) {
  return split_either(render, self, arguments, true);
}

Value splitlines(Render& render, const Value& self, const Arguments& arguments) {
  const Parameters given("splitlines", arguments, {"keepends"});
  return as_list(render, *self.text(), lines(*self.text(), given.flag(0, false)));
}

Value partition(Render& render, const Value& self, const Arguments& arguments) {
  return partition_either(render, self, arguments, false);
}

Value rpartition(Render& render, const Value& self, const Arguments& arguments) {
  return partition_either(render, self, arguments, true);
}

}  // namespace troupe::model::jinja
