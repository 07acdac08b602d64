// Where an answer stands that may call tools whenever it likes: in its thoughts, in its text or in calls. It reads the text as
// the output's parser will (model/output/output_parser.hpp), so that what is told as a call has been held as one. One owner.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "model/output/output_parser.hpp"
#include "model/tokenizer/tokenizer.hpp"

namespace troupe::model {

// How an answer begins its calls. Immutable.
struct CallOpening {
  // token stands in the syntax's opening; behind it the grammar of calls holds.
  CallOpening(ToolCallSyntax syntax, TokenId token, bool may_think, const Tokenizer& tokenizer);

  std::string_view text() const { return openings[form].substr(0, read); }  // up to behind the token

  ToolCallSyntax syntax;
  std::span<const std::string_view> openings;  // that the output's parser knows
  std::size_t form;                            // of them: the syntax's own
  TokenId token;
  bool may_think;    // the answer may open thoughts, as its beginning
  std::size_t read;  // bytes of the opening up to behind the token
  // [i][k]: the tokens that complete opening i, whose first k bytes stand there, by other letters than the grammar's.
  // They may not come.
  std::vector<std::vector<std::vector<TokenId>>> completing;
};

class CallWatch {
 public:
  // Both outlive it. thinks: the prompt has opened thoughts.
  CallWatch(const CallOpening& opening, const Tokenizer& tokenizer, bool thinks);

  bool in_calls() const { return places_.back().part == Part::calls; }
  // The text goes on with a token, with which calls may begin. False, and nothing has changed: that token may not come.
  bool accept(TokenId token);
  void accept_of_calls(bool last);  // calls go on with a token
  // As if the last n tokens had not been; returns how many of them were of calls, with the one that began them.
  std::int64_t rollback(std::int64_t n);
  // Of tokens that may come in the text. False: all may, and the mask is left as it was.
  bool fill(std::span<std::uint32_t> mask, std::int64_t vocab_size) const;

 private:
  enum class Part : std::uint8_t { beginning, thoughts, text, calls };
  struct Place {
    Part part;
    std::uint8_t blanks = 0;  // beginning: before a tag
    // Bytes that stand there of the tags that end the part.
    std::array<std::uint8_t, OutputParser::max_openings> matching = {};
  };
  Place behind(Place place, char next) const;
  bool is_hidden(TokenId token) const;

  const CallOpening* opening_;
  const Tokenizer* tokenizer_;
  std::vector<Place> places_;  // behind each token, the first before all of them
};

}  // namespace troupe::model
