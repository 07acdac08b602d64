// What parsers ask their bodies for, written down as a JSON schema: while one of these lives, the RequestFields of its
// thread tell it each field with its type and range. So a description of an API is made by its parsers themselves.
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "actors/edge/json_body.hpp"

namespace troupe::actors::edge {

class FieldsRecording {
 public:
  FieldsRecording();
  ~FieldsRecording();
  FieldsRecording(const FieldsRecording&) = delete;
  FieldsRecording& operator=(const FieldsRecording&) = delete;

  static FieldsRecording* current();  // of this thread; null: nothing is recorded

  // field: as faults name it: "messages[3].role". type: a schema.
  void note(const std::string& field, const Json& type);
  void note_any(const std::string& field);   // its parser looks for itself at what it got
  void note_need(const std::string& field);  // a body without it is refused
  // These fields are not the client's, but of a body that a parser made of the client's for another parser.
  void leave_out(std::span<const char* const> names);

  const Json& schema() const { return schema_; }  // of an object

 private:
  Json* node(const std::string& field);  // null: left out

  Json schema_;
  std::set<std::string> any_;  // fields whose type says nothing
  std::vector<std::string> left_out_;
  FieldsRecording* outer_;
};

}  // namespace troupe::actors::edge
