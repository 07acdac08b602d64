#include "model/grammar/schema_fault.hpp"

#include "model/grammar/engine_bounds.hpp"

namespace troupe::model {
namespace {

// A part by itself. The root's definitions stay with it, for it may refer to them.
Schema part_of(const Schema& root, const SchemaPointer& at) {
  Schema part = root[at];
  for (const char* key : {"$defs", "definitions"})
    if (part.is_object() && root.contains(key)) part[key] = root[key];
  return part;
}

}  // namespace

SchemaFault schema_fault(const Schema& root, const std::function<std::string(const Schema&)>& complain) {
  SchemaFault fault{.at = SchemaPointer(), .complaint = complain(root)};
  for (bool deeper = true; deeper;) try {
      deeper = false;
      for (const SchemaPointer& inner : subschemas(root[fault.at], fault.at)) {
        std::string complaint = complain(part_of(root, inner));
        if (complaint.empty()) continue;
        fault = {.at = inner, .complaint = std::move(complaint)};
        deeper = true;
        break;
      }
    } catch (const EngineTimeout&) {
      break;  // what is known so far says more than that the search took too long
    }
  return fault;
}

}  // namespace troupe::model
