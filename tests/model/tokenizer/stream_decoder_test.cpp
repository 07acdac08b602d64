#include "model/tokenizer/stream_decoder.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/model/tokenizer/fixtures.hpp"

namespace troupe::model {
namespace {

TEST(StreamDecoder, HoldsBackHalfACharacter) {
  const Tokenizer tokenizer = tokenizer_of(small_file());
  StreamDecoder decoder(tokenizer, true);
  EXPECT_EQ(decoder.push('a'), "a");
  EXPECT_EQ(decoder.push(0xE6), "");
  EXPECT_EQ(decoder.push(259), "");  // special and skipped: the character goes on after it
  EXPECT_EQ(decoder.push(0xB1), "");
  EXPECT_EQ(decoder.push(0x89), "汉");
  EXPECT_EQ(decoder.push(0xF0), "");
  EXPECT_EQ(decoder.push('b'), "\uFFFDb");
  EXPECT_EQ(decoder.push(0xC3), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
  EXPECT_EQ(decoder.finish(), "");
}

// What SentencePiece puts before a text is none of it; a generation's space is.
TEST(StreamDecoder, DropsTheSpaceBeforeATextOnly) {
  const Tokenizer tokenizer = tokenizer_of(sentence_piece_file());
  const std::vector<TokenId> ids = tokenizer.encode("ab c").value();
  const auto decoded = [&](bool begins_text) {
    StreamDecoder decoder(tokenizer, true, begins_text);
    std::string text;
    for (const TokenId id : ids) text += decoder.push(id);
    return text + decoder.finish();
  };
  EXPECT_EQ(decoded(true), "ab c");
  EXPECT_EQ(decoded(false), " ab c");
}

RC_GTEST_PROP(StreamDecoderProperty, PiecesAreWholeAndMakeTheWhole, (bool skip_special)) {
  const auto broken = rc::gen::inRange<TokenId>(12, 12 + 256);  // mostly single bytes
  const auto any = rc::gen::inRange<TokenId>(-1, demo_tokenizer().vocab_size() + 1);
  const auto ids = *rc::gen::container<std::vector<TokenId>>(rc::gen::oneOf(broken, any));
  StreamDecoder decoder(demo_tokenizer(), skip_special);
  std::string text;
  for (const TokenId id : ids) {
    const std::string piece = decoder.push(id);
    RC_ASSERT(is_utf8(piece));
    text += piece;
  }
  text += decoder.finish();
  RC_ASSERT(text == demo_tokenizer().decode(ids, skip_special));
}

}  // namespace
}  // namespace troupe::model
