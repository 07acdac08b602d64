#include "model/json/stand_in.hpp"

#include "model/json/parse.hpp"
#include "tests/error_of.hpp"

namespace troupe::model {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view pointer =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    "size 5234139343\n";

TEST(StandIn, AnLfsPointerIsToldFromTheFile) {
  EXPECT_THAT(error_of([] { refuse_stand_in(pointer, "a.safetensors"); }),
              AllOf(StartsWith("a.safetensors: is a Git LFS pointer"), HasSubstr("git lfs pull")));
  EXPECT_THAT(error_of([] { parse_json(pointer, "tokenizer.json"); }),
              StartsWith("tokenizer.json: is a Git LFS pointer"));
}

TEST(StandIn, APageIsToldFromTheFile) {
  for (const char* page : {"<!DOCTYPE html>\n<html>", "<!doctype HTML>", "<html lang=\"en\">"})
    EXPECT_THAT(error_of([&] { refuse_stand_in(page, "config.json"); }),
                StartsWith("config.json: is an HTML page"));
}

TEST(StandIn, WhatIsNoneIsLeftToItsReader) {
  for (const char* content : {"", "<", "version", "{\"a\": \"<html\"}", "version https://git-lfs.example/"})
    EXPECT_NO_THROW(refuse_stand_in(content, "x")) << content;
}

}  // namespace
}  // namespace troupe::model
