// From a request to the rules of its sequences' logits, the grammar that its answer must keep among them. Any thread.
#pragma once

#include "model/output/output_parser.hpp"
#include "runtime/generation/choices.hpp"

namespace troupe::runtime {

// Those that all choices of a request have, and hold together.
Expected<LogitRules> common_logit_rules(const GenerationRequest& request, const model::TextModel& text);

// Adds the rest of a choice's, whose submission is complete but for them; prompt: the one that it is of.
Expected<void> set_logit_rules(const GenerationRequest& request, const Prompt& prompt,
                               const model::OutputFormat& format, const model::TextModel& text,
                               const GenerationRules& rules, NewChoice& choice);

}  // namespace troupe::runtime
