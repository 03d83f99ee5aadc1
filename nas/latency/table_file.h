// Latency tables from whatever file holds one: our JSON, the YAML that ProxylessNAS and
// once-for-all publish, and CSV.
//
// Every reader throws kInvalidArgument "origin:line:column: found ..., expected ..." for a key that
// is there twice, a cost that is negative or not finite, and anything else it does not know.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "nas/latency/latency_table.h"

namespace nasengine {

// The table in the file of that path, which kind it is being told by its content. `cost` names the
// cost to take where a file has several, as "energy" or "energy(mJ)"; empty: latency. Throws
// kNotFound that lists the costs there are where it has no such cost; also kIo and kNotFound as
// ReadFile does.
LatencyTable LoadLatencyTable(const std::string& path, std::string_view cost = "");

// A map from keys to count, mean (ms) and var (ms^2) or std (ms), as ProxylessNAS's
// mobile_trim.yaml. The published deviation becomes the median absolute deviation that it is for a
// normal distribution: 0.6745 of it. Device and runtime, which these files do not tell, are "not
// stated".
LatencyTable LatencyTableFromYaml(std::string_view text, std::string_view origin);

// A header "block_name,NAME(UNIT),..." such as "block_name,latency(ms),energy(mJ)" and a line a
// key. Times in ns, us, ms or s become ms; other units stay what they are.
LatencyTable LatencyTableFromCsv(std::string_view text, std::string_view origin,
                                 std::string_view cost = "");

}  // namespace nasengine
