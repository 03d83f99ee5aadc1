// At what clocks a card ran, as nvidia-smi has it: a time of a kernel means little without.
// SPDX-License-Identifier: MIT
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace nasengine {

// {"graphics_mhz", "memory_mhz", "largest_graphics_mhz", "temperature_c", "power_w", "driver"} of
// card `ordinal` as nvidia-smi counts them, which is in another order than CUDA's where
// CUDA_VISIBLE_DEVICES says so. What the card does not tell is null, and so is everything where
// there is no nvidia-smi, with "reason" beside it.
nlohmann::ordered_json QueryClocks(int ordinal);

// The same of what nvidia-smi printed: a line of numbers with commas between them, or what is
// wrong.
nlohmann::ordered_json ParseClocks(const std::string& printed);

}  // namespace nasengine
