// What a grammar's masks cost, tried before any sequence waits for one: a mask is made between two steps of all, and
// some small grammars have masks that would take seconds. It is a courtesy: a client learns at once what is wrong. An answer
// comes to places that were not tried, and what bounds a mask there is the count of GrammarMatcher. Any thread.
#pragma once

#include <memory>

#include "model/grammar/compiled_grammar.hpp"
#include "runtime/base/clock.hpp"

namespace troupe::model {

// CPU time of a mask; beyond it the engine halts everybody. Those of everyday schemas take less than a hundredth of it.
constexpr std::chrono::milliseconds most_mask_time{10};

// CPU time of the dearest mask on a walk through the grammar by tokens chosen at random, always the same ones. Returns as soon
// as one took longer than most_mask_time, or was given up.
Duration dearest_mask(const std::shared_ptr<const CompiledGrammar>& grammar);

}  // namespace troupe::model
