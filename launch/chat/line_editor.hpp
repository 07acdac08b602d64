// Lines that are typed on a terminal, with arrows, history and the keys of Emacs: libedit's, where the program was built
// with it. One at a time in a process; belongs to the thread that reads.
#pragma once

#include <memory>
#include <string>

namespace troupe::launch::chat {

class LineEditor {
 public:
  // Of standard input and output, a terminal. Null: there is none in this program.
  static std::unique_ptr<LineEditor> make(std::string prompt);
  virtual ~LineEditor() = default;

  // The next line, without its end; Ctrl-C clears what is typed. False: Ctrl-D, or Ctrl-C twice where nothing is typed.
  virtual bool read(std::string& line) = 0;
};

}  // namespace troupe::launch::chat
