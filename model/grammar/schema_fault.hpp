// Where in a JSON schema the fault is that a compiler complains of. Any thread.
#pragma once

#include <functional>
#include <string>

#include "model/grammar/schema_walk.hpp"

namespace troupe::model {

struct SchemaFault {
  SchemaPointer at;  // the innermost schema at fault
  std::string complaint;
};

// complain: what there is to say against a schema, or nothing. `root` has a fault.
SchemaFault schema_fault(const Schema& root, const std::function<std::string(const Schema&)>& complain);

}  // namespace troupe::model
