// From what a client asked to what the scheduler gets: rendering, tokenizing, limits and defaults.
#pragma once

#include "model/grammar/grammar_cache.hpp"
#include "model/text/text_model.hpp"
#include "runtime/generation/choice_output.hpp"
#include "runtime/generation/request.hpp"
#include "runtime/generation/system_prompt.hpp"
#include "runtime/scheduling/step.hpp"

namespace troupe::runtime {

// What all requests of a replica share. Immutable; any thread.
struct GenerationRules {
  std::int32_t max_model_len = 0;
  std::size_t max_choices = 1024;                        // of a request: more could never wait together
  bool parse_reasoning = true, parse_tool_calls = true;  // where the tokenizer has the markers
  bool show_unused_tools = true;  // to the model, too, if the client wants none called (tool_choice: none)
  SystemPrompt system_prompt = SystemPrompt::keep;
  model::GrammarCache* grammars = nullptr;  // outlives all requests; null: none are served
  RepetitionLimits repetition{};            // that end an answer
};

// One choice as it is born.
struct NewChoice {
  Submission submission;
  ChoiceOutputOptions output;
  std::string grammar_field{};  // which asked for the submission's grammar, if it has one
};

// The tokens of a request's first prompt, as the model would read it. Takes long for long prompts, as does make_choices.
Expected<std::vector<TokenId>> tokenize(const GenerationRequest& request, const model::TextModel& text,
                                        const GenerationRules& rules);
// Refuses tokens that the vocabulary does not have.
Expected<std::string> detokenize(const std::vector<TokenId>& tokens, const model::TextModel& text);

std::uint64_t draw_seed();  // of the system's entropy

// The choices of a request, in order of their index; choice i is sequence `first` + i. seed: for a request
// that brings none. Refuses what the model cannot take, with the numbers. Takes long for long prompts. What their grammars
// are, compile_grammars() finds out.
Expected<std::vector<NewChoice>> make_choices(const GenerationRequest& request, const model::TextModel& text,
                                              const GenerationRules& rules, SequenceId first,
                                              std::uint64_t seed);

// Whether none of their grammars is yet to be compiled. Never waits.
bool grammars_at_hand(const std::vector<NewChoice>& choices, model::GrammarCache& grammars);
// Compiles them, which may take long, until the deadline. Refuses what is no grammar, with the field that asked for it and the
// place in it.
Expected<void> compile_grammars(const std::vector<NewChoice>& choices, model::GrammarCache& grammars,
                                TimePoint deadline);

}  // namespace troupe::runtime
