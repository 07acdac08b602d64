// What the program can do: one function a subcommand, each in a file of its name. They return the exit code,
// and throw UsageError for what the command line says, Error for what fails. Called once, by the main thread.
#pragma once

#include <string>
#include <vector>

namespace troupe::launch {

using Arguments = std::vector<std::string>;  // behind the subcommand's name

int serve(const Arguments& arguments);
int node(const Arguments& arguments);
int worker(const Arguments& arguments);  // what nodes start
int generate(const Arguments& arguments);
int chat_on_terminal(const Arguments& arguments);
int run_batch(const Arguments& arguments);
int logits(const Arguments& arguments);
int pull_model(const Arguments& arguments);
int check(const Arguments& arguments);
int convert(const Arguments& arguments);
int tokenize(const Arguments& arguments);
int render_template(const Arguments& arguments);
int synth(const Arguments& arguments);
int size_up(const Arguments& arguments);
int simulate(const Arguments& arguments);
int status(const Arguments& arguments);
int smoke_test(const Arguments& arguments);
int see_doctor(const Arguments& arguments);
int bench(const Arguments& arguments);
int certs(const Arguments& arguments);
int keys(const Arguments& arguments);
int selftest(const Arguments& arguments);
int manual(const Arguments& arguments);
int version(const Arguments& arguments);

// words: the whole command line behind the program's name.
int run_subcommand(const Arguments& words);

}  // namespace troupe::launch
