// What parsers ask their bodies for, written down as a JSON schema: while one of these lives, the RequestFields of its
// thread tell it each field with its type and range. So a description of an API is made by its parsers themselves.
#pragma once

#include <set>
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

  // While one lives, nothing is recorded: what is read was made of what the client sent, and recorded there.
  class Pause {
   public:
    Pause();
    ~Pause();
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    FieldsRecording* paused_;
  };

  // field: as faults name it: "messages[3].role". type: a schema.
  void note(const std::string& field, const Json& type);
  void note_any(const std::string& field);   // its parser looks for itself at what it got
  void note_need(const std::string& field);  // a body without it is refused
  // From now on a field of this name is not the client's, but of a body that a parser made of the client's.
  void leave_out(std::string name);

  const Json& schema() const { return schema_; }  // of an object

 private:
  Json* node(const std::string& field);  // null: left out

  Json schema_;
  std::set<std::string> any_;  // fields whose type says nothing
  std::vector<std::string> left_out_;
  FieldsRecording* outer_;
};

}  // namespace troupe::actors::edge
