// What a grammar's masks cost, tried before any sequence waits for one: a mask is made between two steps of all, and
// some small grammars have masks that take seconds. Any thread.
#pragma once

#include <memory>

#include "model/grammar/compiled_grammar.hpp"
#include "runtime/base/clock.hpp"

namespace troupe::model {

// CPU time of a mask; beyond it the engine halts everybody. Those of everyday schemas take less than a hundredth of it.
constexpr std::chrono::milliseconds most_mask_time{10};

// CPU time of the dearest mask on a walk through the grammar by tokens chosen at random, always the same ones. Returns as soon
// as one took longer than most_mask_time.
Duration dearest_mask(const std::shared_ptr<const CompiledGrammar>& grammar);

}  // namespace troupe::model
