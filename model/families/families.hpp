// The families of models, a file each; the table of model/architecture.cpp has them by their names.
#pragma once

#include "model/architecture.hpp"

namespace troupe::model::families {

extern const Architecture deepseek_v2;  // V2, V2-Lite
extern const Architecture deepseek_v3;  // V3, V3.1, R1, Moonlight, Kimi K2
extern const Architecture deepseek_v32;
extern const Architecture llama;
extern const Architecture qwen2;
extern const Architecture qwen3;

}  // namespace troupe::model::families
