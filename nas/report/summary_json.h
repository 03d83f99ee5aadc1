// summary.json: what a search found, for programs.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "nas/report/search_summary.h"

namespace nasengine {

// One JSON object, indented, ending in a newline: algorithm seed device dtype data space objective
// steps architecture parameters macs latency_ms{expected,predicted,measured}
// accuracy{validation_top1,test_top1} supernet_top1 peak_bytes{total,weights,gradients,optimizer,
// activations,workspace,data} seconds{profile,warmup,search,train,total} and more. What was not
// measured is null.
std::string SummaryToJson(const SearchSummary& summary);

}  // namespace nasengine
