// Whether what a model has said makes sense, whatever its form. Plain functions, any thread.
#pragma once

#include <optional>

#include "launch/smoke/answer.hpp"
#include "launch/smoke/outcome.hpp"

namespace troupe::launch::smoke {

// To 17 * 23: the number is there; of an answer that was cut off while it thought, in its thoughts.
Outcome judge_arithmetic(const ChatAnswer& answer);
// Neither the answer nor its reasoning ends in a loop.
Outcome judge_repetition(const ChatAnswer& answer);
// Of a model that was told to think: there are thoughts. thinks: whether it can; nothing: nobody knows.
Outcome judge_reasoning(const ChatAnswer& answer, std::optional<bool> thinks);
// Of a call that has the right form: it is for Paris.
Outcome judge_arguments(const ChatAnswer& answer);

}  // namespace troupe::launch::smoke
