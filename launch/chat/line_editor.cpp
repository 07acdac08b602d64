#include "launch/chat/line_editor.hpp"

#ifdef TROUPE_LIBEDIT
#include <histedit.h>

#include <clocale>
#include <cstdio>
#include <cwchar>
#include <utility>

#include "runtime/base/error.hpp"
#endif

namespace troupe::launch::chat {

#ifdef TROUPE_LIBEDIT
namespace {

constexpr int lines_of_history = 1000;

class LibeditEditor final : public LineEditor {
 public:
  explicit LibeditEditor(std::string prompt) : prompt_(std::move(prompt)) {
    // Characters of a line, which the library would take for bytes otherwise; it is of Debian's base.
    std::setlocale(LC_CTYPE, "C.UTF-8");
    editor_ = el_init("troupe", stdin, stdout, stderr);
    history_ = history_init();
    CHECK(editor_ && history_, "libedit");
    HistEvent event;
    history(history_, &event, H_SETSIZE, lines_of_history);
    history(history_, &event, H_SETUNIQUE, 1);
    el_set(editor_, EL_CLIENTDATA, this);
    el_set(editor_, EL_PROMPT, &LibeditEditor::prompt_of);
    el_set(editor_, EL_EDITOR, "emacs");
    el_set(editor_, EL_HIST, history, history_);
    el_set(editor_, EL_SETTY, "-d", "-isig", nullptr);  // Ctrl-C is a key while a line is typed
    // Of wide characters: of others the library makes copies that it never gives back.
    el_wset(editor_, EL_ADDFN, L"troupe-interrupt", L"clears the line", &LibeditEditor::interrupt);
    el_set(editor_, EL_BIND, "^C", "troupe-interrupt", nullptr);
  }
  ~LibeditEditor() override {
    history_end(history_);
    el_end(editor_);
  }
  LibeditEditor(const LibeditEditor&) = delete;
  LibeditEditor& operator=(const LibeditEditor&) = delete;

  bool read(std::string& line) override {
    for (int empty_interrupts = 0; empty_interrupts < 2;) {
      interrupted_ = false;
      int size = 0;
      // Before the prompt is shown, or a Ctrl-C that comes at once would still be a signal, and clear no line.
      el_set(editor_, EL_PREP_TERM, 1);
      const char* const typed = el_gets(editor_, &size);
      if (!interrupted_ && (!typed || size <= 0)) return false;
      line.assign(typed ? typed : "", typed ? std::size_t(size) : 0);
      while (line.ends_with('\n')) line.pop_back();
      if (!interrupted_) {
        HistEvent event;
        if (!line.empty()) history(history_, &event, H_ENTER, line.c_str());
        return true;
      }
      empty_interrupts = line.empty() ? empty_interrupts + 1 : 0;
      if (empty_interrupts == 1) std::puts("Ctrl-C once more, or Ctrl-D, ends.");
    }
    return false;
  }

 private:
  static LibeditEditor& of(EditLine* editor) {
    void* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return *static_cast<LibeditEditor*>(self);
  }
  static char* prompt_of(EditLine* editor) { return of(editor).prompt_.data(); }
  static unsigned char interrupt(EditLine* editor, wint_t) {
    of(editor).interrupted_ = true;
    std::fputs("^C\n", stdout);
    return CC_NEWLINE;
  }

  std::string prompt_;
  EditLine* editor_ = nullptr;
  History* history_ = nullptr;
  bool interrupted_ = false;  // the line at hand
};

}  // namespace

std::unique_ptr<LineEditor> LineEditor::make(std::string prompt) {
  return std::make_unique<LibeditEditor>(std::move(prompt));
}
#else
std::unique_ptr<LineEditor> LineEditor::make(std::string) {
  return nullptr;
}
#endif

}  // namespace troupe::launch::chat
